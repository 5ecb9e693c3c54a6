// What a virtual machine and its keeper say to each other: a tunnel over one virtio port, whose
// streams the keeper opens for these requests.
#pragma once

#include <string_view>

namespace fallow::init {

// Once, and first: starts the workload. Its output is the stream's; a SignalNote goes to all of its
// processes; at the end comes an ExitNote, with kOutOfMemory as its reason where the machine's own
// kernel ended something for want of memory.
inline constexpr std::string_view kRunRequest = "run";
inline constexpr std::string_view kOutOfMemory = "out of memory";
// A connection with the workload's first process, through its door.
inline constexpr std::string_view kDoorRequest = "door";

// Where the machine's process 1 finds the port: the first of the first controller.
inline constexpr const char* kPort = "/dev/vport0p1";

// Tags of the file systems that the machine mounts, and where they are there.
inline constexpr const char* kRootTag = "root";
inline constexpr const char* kPrivateTag = "private";

// What the keeper writes to the supervisor, a letter each.
constexpr char kBegunWord = 'b';        // the machine is up, and the workload starts
constexpr char kOutOfMemoryWord = 'm';  // as the ExitNote said

}  // namespace fallow::init
