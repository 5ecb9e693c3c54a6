// SecretKeeper: hands a job's secrets to the nodes of its leases, each sealed for the agent that
// asked.
//
// Asks the market every second which leases wait. It must run while the job may start a task: also
// again, when one moves. The market passes on what it cannot read, unless it lies about a node's
// key: docs/secrets.md says what that means, and the key is told for who wants to compare it.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "cli/context.h"
#include "fallow/v1/agent.pb.h"
#include "fallow/v1/views.pb.h"

namespace fallow::cli {

// It may go well the next time: nobody answered, or too much was asked, or the market is in
// trouble.
bool may_pass(const client::ApiError& error);

class SecretKeeper {
 public:
  // Told of each lease that was answered, on the thread that does it.
  using Told = std::function<void(const v1::SecretAskView& ask)>;

  // `api` outlives it, and is used by nobody else meanwhile.
  SecretKeeper(client::Api& api, std::uint64_t order, v1::LeaseSecrets secrets, Told told)
      : api_(api), order_(order), secrets_(std::move(secrets)), told_(std::move(told)) {}

  // Answers who asks now. Errors that may pass are passed over, and a node that is gone meanwhile.
  client::ApiResult<void> answer_once();

 private:
  client::ApiResult<void> answer(const v1::SecretAskView& ask);

  client::Api& api_;
  const std::uint64_t order_;
  v1::LeaseSecrets secrets_;
  const Told told_;
};

// The same on a thread of its own, until it is destroyed. Says on stderr what goes wrong.
class SecretKeeping {
 public:
  SecretKeeping(const Context& context, std::unique_ptr<client::Api> api, std::uint64_t order,
                v1::LeaseSecrets secrets);
  ~SecretKeeping();
  SecretKeeping(const SecretKeeping&) = delete;
  SecretKeeping& operator=(const SecretKeeping&) = delete;

 private:
  void keep();

  const Context& context_;
  const std::unique_ptr<client::Api> api_;
  SecretKeeper keeper_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool ending_ = false;
  std::thread thread_;
};

}  // namespace fallow::cli
