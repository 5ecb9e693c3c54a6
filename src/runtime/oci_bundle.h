// An OCI bundle for one workload: the root's skeleton and config.json, built below a stage.
//
// The root is a folder in memory that holds mount points and links only; everything else is
// mounted. For runc and gVisor alike.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "runtime/launch_file.h"
#include "runtime/private_folders.h"

namespace fallow::runtime {

// What the two runtimes are told differently.
struct OciOptions {
  // "TIE" of runtime/init/init.cc.
  std::string tie = "-";
  // linux.cgroupsPath; empty: the runtime leaves control groups alone.
  std::string cgroups_path;
  // gVisor lets nobody write to a device that lies on a read-only mount, /dev/null among them.
  bool read_only_devices = true;
  // What is mounted below the host's folders is read-only by options of its own (runc 1.1 and Linux
  // 5.12); gVisor's own kernel holds to "ro" for all of a mount.
  bool read_only_below = false;
  // The runtime's filter knows one answer only, "not permitted" (runsc 20240729, whatever
  // defaultErrnoRet says). A C library that hears it for clone3 starts no thread, so there the list
  // lets the call through to the filter of process 1, which gives the right one.
  bool leaves_clone3 = false;
  // The network namespace, as a path that the runtime can open; empty: a new one.
  std::string network_path;
};

// Makes <stage>/bundle, with config.json, and answers its path.
Result<std::string> make_oci_bundle(const LaunchFile& launch, const PrivateFolders& folders,
                                    const OciOptions& options);

// The configuration's text, for a root at `root`. `mount_points` receives what must exist below it:
// "/usr/" a folder, "/etc/localtime" a file.
std::string oci_config(const LaunchFile& launch, const PrivateFolders& folders,
                       const OciOptions& options, const std::string& root,
                       std::vector<std::string>& mount_points);

}  // namespace fallow::runtime
