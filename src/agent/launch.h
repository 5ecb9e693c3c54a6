// From a desired lease to what the runtime is to start: the environment that a workload sees, its
// devices and its limits. Pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "agent/images.h"
#include "agent/runtime.h"
#include "base/result.h"
#include "fallow/v1/agent.pb.h"

namespace fallow::agent {

// A device as this machine knows it, beside what the market is told.
struct LocalDevice {
  v1::Device facts;
  std::vector<std::string> files;  // device files that belong to it, shared ones included
  std::string cuda_name;           // for CUDA_VISIBLE_DEVICES; empty: no NVIDIA device
  std::string pci = {};            // "0000:03:00.0"; empty: its driver does not say
};

// What a workload gets that asked for nothing.
constexpr std::uint64_t kDiskBytesDefault = std::uint64_t{10} << 30;

// What its private folders may hold together.
std::uint64_t disk_bytes_of(const v1::DesiredLease& desired);

// `image`: what the order's image says, null while it is not here yet. Its entrypoint stands before
// the order's command, its own command in the place of an empty one; its variables come after ours
// and before the order's.
// kInvalid, with a sentence for the renter, when the command is empty or a variable cannot be set:
// names are letters, digits and underscores; FALLOW_ names are ours.
Result<LaunchSpec> launch_spec(const v1::DesiredLease& desired,
                               const std::vector<LocalDevice>& devices, Time fence_at,
                               const ImageFacts* image);

}  // namespace fallow::agent
