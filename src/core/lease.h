// The contract that binds a task of an order to devices of a node, and its meter.
//
// Owner: Machine, market thread only; pointers live until the next apply(). Charge rule:
// gross = min(hold of the time, floor(rate * proven / 1 h)) + floor(egress_gb * sent / 10^9),
// cumulative, so that it never drifts; charged is gross less what the renter is let off of the fee.
// The end of a reserved lease may bring a dearer rate: see core/meter.h.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/digest.h"
#include "base/types.h"
#include "core/deadline_queue.h"
#include "core/term.h"
#include "fallow/v1/commands.pb.h"
#include "fallow/v1/events.pb.h"

namespace fallow::core {

// A span of running time at one price: from the run before up to `until`.
struct PriceRun {
  Micros rate_hour;
  Duration until;
};
// The price of a lease changes so often at most: two weeks of five minutes.
constexpr std::size_t kPriceRunsMax = 4'096;

struct Lease {
  LeaseId id;
  OrderId order;
  std::uint32_t task = 0;
  std::uint32_t attempt = 0;  // 1 is the first
  AccountId renter;
  AccountId provider;
  NodeId node;
  std::vector<std::uint32_t> devices;
  std::uint32_t device_thousandths = 0;
  std::uint32_t cpu_thousandths = 0;
  std::uint32_t memory_mb = 0;
  std::uint32_t disk_mb = 0;

  Micros device_hour;  // every price that entered; without discount
  Micros disk_gb_hour;
  Micros rate_hour;  // all of it together
  std::uint32_t fee_basis_points = 0;
  std::uint32_t volume_basis_points = 0;  // of the fee that the renter is let off
  // See core/credits.h. Of the charge, the most that is credited; and what its devices lacked of
  // their verified speed when it was placed.
  std::uint32_t credit_basis_points_max = 0;
  std::uint32_t slow_basis_points = 0;
  Micros hold;                        // for its time and for what it sends: see core/egress.h
  Duration time_max;                  // running time that the hold pays for
  Micros egress_gb;                   // for 10^9 bytes; 0: it pays nothing for what it sends
  std::int64_t egress_bytes_max = 0;  // that the hold pays for
  // It was extended by this desired set, of which its node may not have heard: then the node stops
  // it at the time that it knows. 0: the node knows time_max.
  std::uint64_t extended_revision = 0;
  Duration time_known;
  Discounts discounts{};   // that the offer gave on device_hour
  Duration term;           // the task's time when it was placed: its price is of that
  Duration term_before;    // what the task had been charged for when this lease began
  bool cut_short = false;  // the node's owner or the market ended it, whoever stopped it then
  Micros rerated_hour;     // the rate of the term really reached; 0: rate_hour holds

  // Of a spot lease; rate_hour is then that of its bid. See core/spot.h.
  bool spot = false;
  Micros spot_bid;  // of a whole device
  Micros spot_floor;
  std::vector<PriceRun> runs;  // of the charged time, at most kPriceRunsMax
  Wide runs_cost = 0;          // micros times microseconds of all but the last; derived
  OrderId claimant;            // the order that its preemption makes room for

  v1::LeaseState state = v1::PLACED;
  v1::EndReason stop_reason = v1::END_REASON_UNSPECIFIED;  // why it is STOPPING
  Time placed_at;
  Time started_at;   // first proven RUNNING; 0: never
  Time heard_at;     // last word of its node about it; at first placed_at
  Time start_by;     // START_FAILED then, or IMAGE_UNAVAILABLE while it pulls, unless it ran
  Time stopping_at;  // when it became STOPPING
  // STOPPING by the rule counts_until_stop: the most that it can prove. 0: nothing more than it
  // has.
  Duration stop_proven_max;
  Time ended_at;
  // Its node stops it before it was not heard of for so long. 0: of the market before the rule
  // waits_for_fence; the policy's then, and nobody waits for that.
  Duration close_after;
  bool pulling = false;               // its node's last word: its image is being made ready
  Time fenced_at;                     // ENDED: from when on nothing of it runs; 0: since its end
  std::uint64_t placed_revision = 0;  // the node's desired set that first named it
  LogIndex placed_index;
  LogIndex ended_index;
  LogIndex metered_index;    // the command with the last accepted meter record
  DeadlineQueue::Place due;  // while it is open, or its task is to be tried again; derived
  LogIndex named_index;      // the last Observe that named it; means nothing between commands
  ProofId proof;             // of its devices, that must be passed before it begins; 0: none

  std::uint32_t meter_sequence = 0;  // of the last accepted record
  Duration unseen;  // that may have passed while the market was away, by none of its clocks
  // Its node says since then that it does not run; 0: its last word was that it does. And what such
  // spans surely came to that are over. See core/meter.h.
  Time idle_since;
  Duration idle;
  Duration proven;
  Duration slowed;  // of it, what full speed would not have needed, as its node counts it
  std::int64_t egress_bytes = 0;  // that it has sent, as its node counts it
  Micros charged;                 // posted so far, less what the renter was let off
  Micros fee;                     // of it, the market's; at the end net of what it gave back
  Micros refunded;                // with what was credited
  Micros credited;                // of it, for devices that were slowed down

  v1::EndReason reason = v1::END_REASON_UNSPECIFIED;
  v1::Blame blame = v1::BLAME_NONE;
  std::int32_t exit_code = 0;
  std::string detail;
  std::string output_manifest;  // 32 bytes or empty
  std::string image_digest;     // of the image that runs, as its node first said it; or empty
  // The task's last checkpoint: its former lease's until this one has one of its own. 32 bytes or
  // empty.
  std::string checkpoint;
  Time checkpoint_at;                     // when it was accepted
  std::uint32_t checkpoint_sequence = 0;  // of the last one of this lease; 0: it has none
  bool earnings_released = false;         // PENDING became EARNED after the payout delay
};

inline bool is_open(const Lease& lease) { return lease.state != v1::ENDED; }
// Whether a record of its running time can still count.
inline bool takes_meters(const Lease& lease) {
  if (lease.state == v1::STOPPING) return lease.stop_proven_max.value > 0;
  return lease.state != v1::ENDED;
}

}  // namespace fallow::core
