// BubblewrapSandbox: what a machine can give without root, and the weakest kind: the workload
// speaks to the host's kernel directly, as the agent's user or, under a root agent, as a user of
// its lease.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "runtime/sandbox.h"

namespace fallow::runtime {

class BubblewrapSandbox : public NamespaceSandbox {
 public:
  BubblewrapSandbox(const LaunchFile& launch, PrivateFolders folders, const Cgroup& cgroup)
      : NamespaceSandbox(launch, std::move(folders), cgroup) {}

  Status start() override;
  int status_fd() const override { return status_.get(); }
  void follow() override;
  void child_ended(pid_t pid, int status) override;
  SandboxEnd end(std::string_view err_head) const override;

  // All arguments but the program's name and the descriptors'. They hold the workload's
  // environment: hand them over by descriptor (--args), not by command line.
  static std::vector<std::string> arguments(const LaunchFile& launch,
                                            const PrivateFolders& folders);

 protected:
  // Starts bubblewrap with these arguments, and `command` in it as process 1. `kept` are
  // descriptors for bubblewrap and for it, from kFreeFd up.
  static constexpr int kFreeFd = 6;
  Status start_in(std::vector<std::string> words, const std::vector<std::string>& command,
                  const std::vector<std::pair<int, int>>& kept, bool limits_files);

  // Parts of arguments(): own namespaces and no rights, which comes first; and the kernel's own
  // file systems with the lease's device files.
  static void add_namespaces(std::vector<std::string>& words, bool own_network);
  static void add_kernel_files(std::vector<std::string>& words, const agent::LaunchSpec& spec);

 private:
  Fd status_;         // where bubblewrap writes { "child-pid": 42, ... }
  std::string said_;  // by it
};

}  // namespace fallow::runtime
