// WorkloadRecord: all that the agent must still know of a workload after it was killed itself.
//
// A value. The reconciler keeps one for every lease it has taken up and hands out a copy to be
// stored before it acts on a change. Times are on the node's monotonic clock and mean nothing
// after the machine started anew (StateStore notices that).
#pragma once

#include <cstdint>
#include <deque>
#include <limits>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/types.h"
#include "fallow/v1/agent.pb.h"

namespace fallow::agent {

constexpr Time kNever{std::numeric_limits<std::int64_t>::max()};

enum class Phase : std::uint8_t {
  kPreparing = 1,   // folders and inputs are being made ready
  kPrepared = 2,    // waits for its devices, or for the market to hear of it
  kStarting = 3,    // the runtime was told to start it
  kRunning = 4,     // it runs, or is suspended
  kStopping = 5,    // it was asked to end; kill_at follows
  kKilling = 6,     // it was killed; its end has not been seen yet
  kCollecting = 7,  // it is gone; logs and outputs are on their way
  kEnded = 8,       // reported until the lease leaves the desired set
};

struct WorkloadRecord {
  v1::DesiredLease desired;
  Phase phase = Phase::kPreparing;

  // Why the agent ends it; END_REASON_UNSPECIFIED while it does not.
  v1::EndReason stop_reason = v1::END_REASON_UNSPECIFIED;
  std::string stop_detail;
  Time stopped_at;        // when it was asked to end
  Time kill_at = kNever;  // when it is killed if it has not ended by then

  // Running time: `ran` up to running_since, and on from there when it is running now.
  bool started = false;
  bool suspended = false;
  bool running = false;
  Duration ran;
  Time running_since;

  // Meter records: the last one issued, and those the market has not acknowledged, oldest first.
  // One that was issued is never issued again with another content.
  std::uint32_t meter_sequence = 0;
  Duration metered;
  Duration slowed;                // of the running time: what its devices lost of their full speed
  std::int64_t egress_bytes = 0;  // that it sent over its network
  std::deque<v1::MeterRecord> meters;

  // Until here it may run without another word of the market.
  Time fence_at;

  // How it ended. Complete only in kEnded; reason, codes and detail from kCollecting on.
  v1::WorkloadReport end;

  LeaseId lease() const { return LeaseId(desired.lease()); }
  // Cumulative running time at `now`.
  Duration running_time(Time now) const;
  // Devices are taken, or may be: a process of it may exist.
  bool is_live() const { return phase >= Phase::kStarting && phase <= Phase::kKilling; }
};

// A versioned layout of this build of the agent, ended by its BLAKE2b-256. decode: kCorrupt when
// the bytes are not what encode gave.
std::string encode_record(const WorkloadRecord& record);
Result<WorkloadRecord> decode_record(std::string_view bytes);

}  // namespace fallow::agent
