// Sandbox: one workload's sandbox as its supervisor sees it. How it is built and entered differs by
// kind: bubblewrap.h, runc.h, gvisor.h, microvm.h. What is around it does not: folders, limits,
// logs, fences and the account of its end are the supervisor's.
//
// Inside every kind: own user, process, IPC, host-name, mount and network namespace, the last one
// empty, or made for the lease (runtime/lease_network.h); no capabilities, no way to new
// privileges; a list of allowed system calls; the host's system folders read-only; /work, /out,
// /tmp and /checkpoint its own; the lease's device files and no others.
//
// Owned by the supervisor; one thread. Never waits for the workload.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/result.h"
#include "runtime/cgroup.h"
#include "runtime/launch_file.h"
#include "runtime/lease_network.h"
#include "runtime/private_folders.h"

namespace fallow::runtime {

// How it ended, as far as the sandbox's own program knows.
struct SandboxEnd {
  // The command's exit code, or 128 + N for signal N. Nothing: it was killed, or never began.
  std::optional<int> exit_code;
  // The sandbox was made, but the command could not be run: "NAME: No such file or directory".
  std::string command_error;
  // The sandbox could not be made: why.
  std::string start_error;
  // A kernel of the sandbox's own has ended something of it for want of its own memory.
  bool out_of_memory = false;
};

class Sandbox {
 public:
  // Of the kind that `launch` names. `launch` and `cgroup` outlive it.
  static std::unique_ptr<Sandbox> make(const LaunchFile& launch, PrivateFolders folders,
                                       const Cgroup& cgroup);
  virtual ~Sandbox() = default;
  Sandbox(const Sandbox&) = delete;
  Sandbox& operator=(const Sandbox&) = delete;

  // The network namespace it shall have, which the caller keeps open; before start(). Without: one
  // of its own without a link.
  void use_network(const LeaseNetwork& network) { network_ = &network; }
  // Starts the program that builds it. Once.
  virtual Status start() = 0;
  // The workload's output, not blocking; to be taken after start().
  Fd take_out() { return std::move(out_); }
  Fd take_err() { return std::move(err_); }
  // Where process 1 takes the connections of those who reach in (runtime/door.h); after start().
  const Fd& door() const { return door_; }

  // Readable when follow() has something to take up; -1: nothing, poll passes it over.
  virtual int status_fd() const { return -1; }
  virtual void follow() {}
  // A child of the calling process has ended: the sandbox's own, or one it left behind.
  virtual void child_ended(pid_t pid, int status) = 0;

  bool has_begun() const { return begun_; }
  // Nothing of it runs any more but what kill() ends.
  bool is_over() const { return over_; }

  // SIGTERM to the workload's processes, as soon as there are any.
  virtual void ask_to_end() = 0;
  virtual void set_suspended(bool suspended) = 0;
  // Everything, at once; also what is suspended.
  virtual void kill();
  // Blocks until what kill() ended is gone, at most `ms_max`.
  void wait_until_gone(int ms_max) const;
  // What the workload uses now, for machines whose kernel does not limit it; 0: not known.
  virtual std::uint64_t memory_bytes() const { return 0; }
  // After is_over(). `err_head` is how the workload's error output begins.
  virtual SandboxEnd end(std::string_view err_head) const = 0;

 protected:
  Sandbox(const LaunchFile& launch, PrivateFolders folders, const Cgroup& cgroup)
      : launch_(launch), folders_(std::move(folders)), cgroup_(cgroup) {}

  // Forks the process that becomes the sandbox's own program, words[0] being its path. Its output
  // is the workload's. `kept` are descriptors that it gets beside the three standard ones, under
  // the same numbers where they are not moved: {ours, theirs}.
  struct Start {
    std::vector<std::string> words;
    std::vector<std::pair<int, int>> kept;
    bool joins_cgroup = true;     // else the program puts the workload into the groups
    bool enters_network = false;  // that of use_network(), if there is one
    bool becomes_user = false;    // launch.uid, with the groups of the device files
    bool limits_files = false;    // by RLIMIT_FSIZE
  };
  Status run(Start start);
  // Fails where the kernel does not hold the workload to its number of processes. For kinds that
  // cannot be held to it by RLIMIT_NPROC.
  Status check_process_limit() const;
  // For OciOptions.
  std::string network_path() const;
  // Takes the process as process 1 of the sandbox.
  void set_init(pid_t pid);

  const LaunchFile& launch_;
  const PrivateFolders folders_;
  const Cgroup& cgroup_;
  const LeaseNetwork* network_ = nullptr;
  pid_t tool_ = -1;         // the sandbox's own program; -1: none, or ended
  Fd init_fd_;              // process 1, where the host sees it
  bool end_asked_ = false;  // before it had begun
  pid_t init_ = -1;
  std::uint64_t pid_namespace_ = 0;
  bool begun_ = false;
  bool over_ = false;

 private:
  Fd out_;
  Fd err_;
  Fd door_;
};

// A sandbox whose processes are processes of the host in a namespace of their own.
class NamespaceSandbox : public Sandbox {
 public:
  void ask_to_end() override;
  void set_suspended(bool suspended) override;
  std::uint64_t memory_bytes() const override;

 protected:
  using Sandbox::Sandbox;
};

// How the sandbox's process speaks, in the workload's error output, when it cannot become what it
// should.
inline constexpr std::string_view kForkFailed = "fallow-sandbox: ";

// Host groups of the lease's device files: /dev/dri/renderD128 belongs to "render".
std::vector<gid_t> device_groups(const agent::LaunchSpec& spec);

// What the control groups of its sandbox hold the workload to.
CgroupLimits cgroup_limits(const LaunchFile& launch);

// The most files a workload may have open: 65,536, or what the agent itself may.
std::uint64_t open_files_max();
// Who goes first when the host itself runs out of memory, 0 to 1000: before what is the host's own
// come workloads, and before those the ones that asked for no memory.
int oom_score_of(const agent::LaunchSpec& spec);

}  // namespace fallow::runtime
