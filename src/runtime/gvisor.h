// GvisorSandbox: runsc with the same bundle. The workload speaks to a kernel of its own, written in
// Go, that runs as an unprivileged process of the host; the host's kernel sees only what that one
// asks for. Costs most in system calls and network, least in arithmetic.
//
// runsc stays as long as the sandbox does, and its parts end with it; it ends with the supervisor.
// Needs the memory controller: the kernel inside takes what it likes otherwise. No devices: those
// of GPUs would need runsc's own proxies.
#pragma once

#include <deque>
#include <string>
#include <vector>

#include "runtime/sandbox.h"

namespace fallow::runtime {

class GvisorSandbox final : public Sandbox {
 public:
  GvisorSandbox(const LaunchFile& launch, PrivateFolders folders, const Cgroup& cgroup)
      : Sandbox(launch, std::move(folders), cgroup) {}

  Status start() override;
  int status_fd() const override { return begun_ ? -1 : watch_.get(); }
  void follow() override;
  void child_ended(pid_t pid, int status) override;
  void ask_to_end() override;
  void set_suspended(bool suspended) override;
  SandboxEnd end(std::string_view err_head) const override;

 private:
  std::vector<std::string> words() const;
  void ask(std::vector<std::string> wish);
  void ask_next();

  Fd watch_;  // inotify: the bundle's folder, where the process's id appears
  std::string bundle_;
  std::optional<int> status_;  // runsc's
  // Wishes are runs of runsc, one after the other; as many as the agent sends in their time.
  std::deque<std::vector<std::string>> wishes_;
  pid_t helper_ = -1;
  bool suspended_ = false;  // or soon
};

}  // namespace fallow::runtime
