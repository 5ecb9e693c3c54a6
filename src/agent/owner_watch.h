// OwnerWatch: a thread that looks for the owner of the machine, and says whether he or she is
// there.
//
// bin/ starts it with a policy and hands it to the agent, which it outlives. A watch that hangs (in
// a driver) counts as an owner who is there: the owner wins; and nobody waits for it at the end.
#pragma once

#include <memory>
#include <string>

#include "agent/owner_policy.h"
#include "agent/owner_signs.h"
#include "base/env.h"
#include "base/result.h"
#include "fallow/v1/types.pb.h"

namespace fallow::agent {

struct OwnerWatchOptions {
  OwnerPolicy policy;
  OwnerMachine machine;
  std::string history;  // path of agent/owner_history.h's file
  // Far more than a look may take with a logind that does not answer.
  Duration hangs_after = seconds(30);
};

class OwnerWatch {
 public:
  // Waits for a first look, at most hangs_after. The clock outlives it.
  static Result<std::unique_ptr<OwnerWatch>> start(OwnerWatchOptions options, const Clock& clock);
  ~OwnerWatch();
  OwnerWatch(const OwnerWatch&) = delete;
  OwnerWatch& operator=(const OwnerWatch&) = delete;

  // Readable when read() may answer otherwise.
  int event_fd() const;
  // Away or present; always away in a dry run. The agent's thread.
  v1::OwnerState read();
  // Why read() answered as it did last. The agent's thread.
  std::string why() const;
  const OwnerPolicy& policy() const;

 private:
  struct Impl;
  explicit OwnerWatch(std::shared_ptr<Impl> impl);
  // The thread's, too: it may hang when this ends.
  std::shared_ptr<Impl> impl_;
};

}  // namespace fallow::agent
