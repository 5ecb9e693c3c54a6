// PortKeeper: ports of a job's first task as ports of this machine, for as long as the job runs,
// wherever the task does.
//
// Owner: the command that follows the job. Works on a thread of its own until it is destroyed, and
// says on stderr what it does, also with --json: stdout is the command's.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>

#include "cli/context.h"
#include "cli/local_ports.h"

namespace fallow::cli {

class PortKeeper {
 public:
  // `api` is used by nobody else.
  PortKeeper(Context context, std::unique_ptr<client::Api> api, std::uint64_t order,
             LocalPorts ports);
  ~PortKeeper();
  PortKeeper(const PortKeeper&) = delete;
  PortKeeper& operator=(const PortKeeper&) = delete;

 private:
  void keep();
  // Of the first task, if it runs; else 0.
  std::uint64_t running_lease();
  // Until the way in is lost, or enough.
  void serve(std::uint64_t lease);

  // Once for as long as the way in fails for the same reason.
  void say_why_not(const client::ApiError& error);

  const Context context_;  // without --json
  const std::unique_ptr<client::Api> api_;
  const std::uint64_t order_;
  LocalPorts ports_;
  std::string told_;  // why there was no way in, as it was said last
  std::atomic<bool> ending_ = false;
  std::thread thread_;
};

}  // namespace fallow::cli
