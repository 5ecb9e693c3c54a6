// RuncSandbox: runc with a generated OCI bundle. The workload speaks to the host's kernel, but as
// users of a user namespace that own nothing on the host, with devices denied by the kernel's
// device groups, too.
//
// runc builds the sandbox and ends; process 1 then is the supervisor's child. It ends with the
// supervisor, too: see TIE in runtime/init/init.cc. What runc writes down lies in the supervisor's
// stage and goes with it.
#pragma once

#include <map>
#include <string>

#include "runtime/sandbox.h"

namespace fallow::runtime {

class RuncSandbox final : public NamespaceSandbox {
 public:
  RuncSandbox(const LaunchFile& launch, PrivateFolders folders, const Cgroup& cgroup)
      : NamespaceSandbox(launch, std::move(folders), cgroup) {}

  Status start() override;
  void child_ended(pid_t pid, int status) override;
  void kill() override;
  SandboxEnd end(std::string_view err_head) const override;

 private:
  void take_init();

  Fd tie_;  // the end whose closing ends the sandbox
  std::string bundle_;
  // Children that ended before runc had said which of them is process 1; runc makes four.
  std::map<pid_t, int> ended_;
  std::optional<int> status_;  // process 1's
};

// The last line that an OCI runtime wrote to its log: its reason; empty when there is none.
std::string oci_error(const std::string& log_path);

}  // namespace fallow::runtime
