// What of the host a sandbox without an image sees: the system's folders and the few files that
// programs need, all read-only; and what of /proc nobody inside may read or write. The same for
// every kind of sandbox.
//
// Free functions; they look at the host's files, no state.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/runtime.h"

namespace fallow::runtime {

// The workload's user and group inside: nobody.
constexpr std::uint32_t kInnerUid = 65534;

struct HostRoot {
  std::vector<std::pair<std::string, std::string>> links;  // "/lib" -> "usr/lib"
  std::vector<std::string> shown;  // folders and files that exist, at the same place inside
};
// With an image: what is no file system of its own, below /sys, and the resolver's servers.
HostRoot host_root(const agent::LaunchSpec& spec);

// The files of /etc that are the sandbox's own: name and content.
const std::vector<std::pair<std::string, std::string>>& inner_etc();

// Covered by an empty file or folder, where the host has them.
inline constexpr std::array<std::string_view, 10> kMasked = {
    "/proc/acpi",        "/proc/asound",     "/proc/interrupts", "/proc/kcore",
    "/proc/keys",        "/proc/kpagecount", "/proc/kpageflags", "/proc/latency_stats",
    "/proc/sched_debug", "/proc/timer_list"};
inline constexpr std::array<std::string_view, 5> kReadOnly = {"/proc/bus", "/proc/fs", "/proc/irq",
                                                              "/proc/sys", "/proc/sysrq-trigger"};

// How large the sandbox's /dev/shm may grow; it counts as memory all the same.
std::uint64_t shared_memory_bytes(const agent::LaunchSpec& spec);

}  // namespace fallow::runtime
