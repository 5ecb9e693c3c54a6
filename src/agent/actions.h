// Actions and events: what the reconciler asks of the world, and what the world tells it.
//
// Values. Actions are done in the order given: a Persist stands before whatever must not happen
// unrecorded. Every event names its lease; events of leases that are gone are ignored, so the
// world may be late or repeat itself.
#pragma once

#include <string>
#include <variant>

#include "agent/workload_record.h"
#include "base/types.h"
#include "fallow/v1/agent.pb.h"

namespace fallow::agent {

// `monotonic` goes on while the machine sleeps (CLOCK_BOOTTIME): fences depend on it.
struct Now {
  Time wall;
  Time monotonic;
};

// ---- actions

// Store the record before the actions after it are done.
struct Persist {
  WorkloadRecord record;
};
// Make folders, fetch inputs. Answer: Prepared or PrepareFailed.
struct Prepare {
  v1::DesiredLease desired;
};
// Start it, to be killed by its own supervisor at fence_at. Answer: Started and later Exited, or
// only Exited.
struct Start {
  v1::DesiredLease desired;
  Time fence_at;
};
// Its supervisor may let it run until fence_at.
struct ExtendFence {
  LeaseId lease;
  Time fence_at;
};
struct Suspend {
  LeaseId lease;
};
struct Resume {
  LeaseId lease;
};
// What the owner's presence does to a workload, for people; once, where it is decided: the act may
// be repeated.
struct TellOwner {
  v1::OwnerAct act = v1::LEASE_SUSPENDED;  // or LEASE_RESUMED, LEASE_EVICTED
  LeaseId lease;
};
// The polite end: write its notice, resume it and send SIGTERM.
struct Stop {
  LeaseId lease;
  v1::EndReason reason = v1::END_REASON_UNSPECIFIED;
  Duration grace;  // then it is killed
};
// While it runs: bring what is new of its checkpoint to the market. Answer: Saved.
struct Save {
  LeaseId lease;
};
// The end. Cancels a preparation or a collection, too. A live workload answers with Exited.
struct Kill {
  LeaseId lease;
};
// It is gone: bring its logs to the market and, if asked, its checkpoint and its outputs. Answer:
// Saved, if a checkpoint was asked for, then Collected or CollectFailed. Breaks off a Save.
struct Collect {
  LeaseId lease;
  bool outputs = false;
  bool checkpoint = false;
};
// Remove everything of it, stored record included.
struct Forget {
  LeaseId lease;
};
// Open a connection to the hub. Answer: link_opened or link_closed.
struct Connect {};
struct Disconnect {
  std::string reason;
};
struct Send {
  v1::AgentMessage message;
};
// The market wants this node no longer: end the program once its workloads are gone.
struct Quit {
  std::string reason;
};

using Action = std::variant<Persist, Prepare, Start, ExtendFence, Suspend, Resume, TellOwner, Stop,
                            Save, Kill, Collect, Forget, Connect, Disconnect, Send, Quit>;

// ---- events

struct Prepared {
  LeaseId lease;
  std::string image_digest = {};  // 32 raw bytes; empty: it has no image
};
struct PrepareFailed {
  LeaseId lease;
  v1::EndReason reason = v1::START_FAILED;  // INPUT_INVALID, DISK_LIMIT, IMAGE_UNAVAILABLE
  std::string detail;
};
struct Started {
  LeaseId lease;
  Time at;  // monotonic
};
// What ended a process, as its supervisor saw it. The first that applies counts.
enum class ExitCause : std::uint8_t {
  kExited = 0,           // exit_code, or signal when it is not 0
  kStartFailed = 1,      // the sandbox could not be made; `detail` says why
  kOutOfMemory = 2,      // it passed its own memory limit
  kDiskFull = 3,         // it passed its own disk limit
  kFenced = 4,           // the supervisor killed it at fence_at
  kLost = 5,             // its supervisor is gone, or the machine started anew
  kHostOutOfMemory = 6,  // the machine had no memory left, though it kept its limit
  kHostDiskFull = 7,     // the machine's disk was full, though it kept its limit
};
constexpr ExitCause kExitCauseLast = ExitCause::kHostDiskFull;
struct Exited {
  LeaseId lease;
  Time at;  // monotonic; 0: unknown
  ExitCause cause = ExitCause::kExited;
  int exit_code = 0;
  int signal = 0;
  std::string detail;
  std::int64_t egress_bytes = 0;  // that it sent over its network, as that was counted last
};
struct Saved {
  LeaseId lease;
  std::string manifest;  // 32 bytes; empty: nothing is there, nothing is new, or it failed
  bool is_last = false;  // of a Collect
};
struct Collected {
  LeaseId lease;
  std::string output_manifest;  // empty: none was asked for
};
struct CollectFailed {
  LeaseId lease;
  v1::EndReason reason = v1::HOST_LOST;  // or DISK_LIMIT: the outputs themselves are at fault
  std::string detail;
};

using RuntimeEvent =
    std::variant<Prepared, PrepareFailed, Started, Exited, Saved, Collected, CollectFailed>;

}  // namespace fallow::agent
