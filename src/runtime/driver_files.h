// What of the host's graphics driver a workload on an image is given: an image cannot bring the
// libraries that must fit the driver of a kernel it does not know.
//
// All of it is shown below one folder that every image has for it, so that nothing is mounted into
// folders of a stranger's. Its place is where NVIDIA's own images look by themselves; for others
// the environment says so.
//
// Free functions; they read the host's files, no state. Blocking: for some milliseconds, and where
// the host's linker is slow to tell what it knows for as long as it takes, ten seconds at most. A
// workload's supervisor calls them, never the agent's loop.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/runtime.h"
#include "runtime/launch_file.h"

namespace fallow::runtime {

inline constexpr std::string_view kDriverFolder = "/usr/local/nvidia";

struct DriverFiles {
  std::string source;                                      // for people; empty: nothing is found
  std::vector<std::pair<std::string, std::string>> files;  // on the host, inside
  std::vector<std::string> device_files;                   // beside the lease's own
  std::vector<std::pair<std::string, std::string>> environment;
  std::vector<std::string> notes;  // what was passed over, and why

  // Inside, by its name: "libcuda.so.1".
  bool has_library(std::string_view name) const;
};

// For the devices that these files are of, by a CDI specification if one names them; else, of
// NVIDIA's, by the libraries that the host's linker finds.
DriverFiles find_driver_files(const std::vector<std::string>& device_files,
                              const DriverPaths& paths);

// Completes the launch of a workload on an image, with what launch.driver leads to.
void add_driver_files(LaunchFile& launch);

// Of this machine: the files of NVIDIA's devices.
std::vector<std::string> nvidia_device_files();

}  // namespace fallow::runtime
