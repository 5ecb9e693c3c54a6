// SecretDesk: the secrets of this node's leases, from the asking to the start.
//
// Pure logic: it says what to ask, takes what comes, and keeps it in memory until the workload
// starts. Nothing of it is ever stored, so whatever ends the agent before ends in asking again; the
// key that secrets are sealed for is of this object alone. Owned by the agent's loop thread.
//
// Who does not answer while there is a connection to the market lets the lease end: the renter, or
// what speaks for him, is not there.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "agent/images.h"
#include "agent/signer.h"
#include "agent/workload_record.h"
#include "base/env.h"
#include "base/sealing.h"
#include "base/types.h"
#include "fallow/v1/agent.pb.h"

namespace fallow::agent {

struct Secrets {
  std::vector<std::pair<std::string, std::string>> environment;
  RegistryLogin login;  // of the image's registry
};

class SecretDesk {
 public:
  // An ask that is not answered is repeated: it, or its answer, may have been lost.
  static constexpr Duration kAskAgain = seconds(5);
  // Of connection to the market, without an answer.
  static constexpr Duration kWaitMax = minutes(2);

  // `signer` outlives it.
  SecretDesk(const Signer& signer, Random& random, Duration wait_max = kWaitMax);

  static bool needs(const v1::Workload& workload) {
    return workload.secrets_size() > 0 || workload.image_login();
  }
  // Null: they have not come.
  const Secrets* of(LeaseId lease) const;
  // Begins to ask for them; without effect while it does.
  void ask(const v1::DesiredLease& desired, Time now);
  // Nothing is asked, and nobody is late, while there is no connection.
  void set_connected(bool is_connected, Time now);

  // What is to be sent now.
  std::vector<v1::SecretAsk> take_due(Time now);
  // Those whose time is over: they are not waited for any more.
  std::vector<v1::DesiredLease> take_late(Time now);
  Time next_deadline() const;

  // What the renter sent: the lease that has all it waited for. kNotFound: it does not wait.
  // kInvalid: it cannot be opened, and is asked for again. kCorrupt: something is missing or wrong
  // in it, which asking again does not mend.
  Result<v1::DesiredLease> take(const v1::SealedSecrets& sent);
  // Its workload has started, or never will.
  void forget(LeaseId lease);

 private:
  struct Waiting {
    v1::DesiredLease desired;
    Time ask_at = kNever;
    Time until = kNever;
    Duration left;  // of its wait, while there is no connection
  };

  const Signer& signer_;
  const SealingKey key_;
  const Duration wait_max_;
  bool is_connected_ = false;
  std::map<LeaseId, Waiting> waiting_;
  std::map<LeaseId, Secrets> here_;
};

}  // namespace fallow::agent
