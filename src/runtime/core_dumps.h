// What becomes of the memory of a program that crashes: nothing. Agents, supervisors and image
// tools hold renters' secrets, and a dump would write them down.
#pragma once

#include <cstdint>

namespace fallow::runtime {

// RLIMIT_CORE of all of them, and of workloads. Not 0: a kernel that hands dumps to a program does
// so whatever the limit is, except at 1 (core(5)); and no file is as short as that.
constexpr std::uint64_t kCoreBytesMax = 1;

}  // namespace fallow::runtime
