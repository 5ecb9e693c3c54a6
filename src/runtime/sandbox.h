// The sandbox itself: bubblewrap's arguments for one workload, and the process that becomes it.
//
// Inside: own user, process, IPC, host-name, mount, control-group and, unless asked otherwise,
// network namespace; no capabilities, no way to new privileges or further user namespaces; the
// host's /usr and the few files of /etc that programs need, read-only; /work, /out and /tmp its
// own; the lease's device files and no others.
//
// For the supervisor, which is a process with one thread.
#pragma once

#include <string>
#include <vector>

#include "base/file.h"
#include "base/result.h"
#include "runtime/cgroup.h"
#include "runtime/launch_file.h"

namespace fallow::runtime {

// Where the private folders lie for bubblewrap to bind them.
struct SandboxFolders {
  std::string work;
  std::string out;
  std::string tmp;
  std::string etc;  // passwd, group, hosts, nsswitch.conf
};

// Readies the lease's folder for its user and answers where to bind from. With the rights for it,
// that is a mount namespace of the supervisor's own, so that no folder above needs to be open to
// the sandbox's user.
Result<SandboxFolders> make_sandbox_folders(const std::string& lease_folder, std::uint32_t uid);

// All arguments, the program's name first. They hold the workload's environment: hand them over by
// descriptor (--args), not by command line.
std::vector<std::string> sandbox_arguments(const LaunchFile& launch, const SandboxFolders& folders);

struct SandboxProcess {
  pid_t pid = -1;  // bubblewrap
  Fd out;          // its standard output, error, and bubblewrap's status lines
  Fd err;
  Fd status;
};

// Forks the process that joins the groups, becomes the user and runs bubblewrap.
Result<SandboxProcess> launch_sandbox(const LaunchFile& launch, const SandboxFolders& folders,
                                      const Cgroup& cgroup);

}  // namespace fallow::runtime
