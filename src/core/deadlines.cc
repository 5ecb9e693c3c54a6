#include "core/deadlines.h"

#include <algorithm>

#include "core/authority.h"
#include "core/gangs.h"
#include "core/handlers.h"
#include "core/leases.h"
#include "core/meter.h"
#include "core/nodes.h"
#include "core/orders.h"
#include "core/repricing.h"
#include "core/retry.h"
#include "core/reversals.h"
#include "core/schedule.h"
#include "core/wallets.h"

namespace fallow::core {
namespace {

Time stop_deadline(const MarketState& state, const Lease& lease) {
  return lease.stopping_at + stop_grace(state.policy, lease) + close_after(state, lease);
}

bool is_quick(const Lease& lease) {
  return lease.state == v1::STARTING || lease.state == v1::RUNNING;
}

Time silence_deadline(const MarketState& state, const Lease& lease) {
  return lease.heard_at +
         (is_quick(lease) ? Duration(state.policy.suspend_after_us()) : close_after(state, lease));
}

// None: the owner is not home.
std::optional<Time> owner_deadline(const MarketState& state, const Lease& lease, const Node& node) {
  if (node.owner != v1::OWNER_PRESENT) return std::nullopt;
  return std::max(node.owner_since, lease.placed_at) + Duration(state.policy.owner_notice_us()) +
         close_after(state, lease);
}

std::optional<Due> first_due(MarketState& state) {
  return state.deadlines.front([&](LeaseId id) {
    const Lease* const lease = state.leases.find(id);
    return lease == nullptr ? nullptr : &lease->due;
  });
}

// Acts on the deadline of a lease that has passed. What remains due comes up again.
void expire(Step& step, Lease& lease) {
  MarketState& state = step.state;
  if (lease.state == v1::ENDED) return retry_now(step, lease);
  if (lease.state == v1::STOPPING) {
    if (is_lost_with_gang(lease)) {
      fall_silent(step, *state.nodes.find(lease.node));
      return end_lease(step, lease, v1::HOST_LOST,
                       {0, "the node was not heard of since before its gang ended", ""});
    }
    return end_lease(step, lease, lease.stop_reason, {0, "the node never confirmed the stop", ""});
  }
  Node& node = *state.nodes.find(lease.node);
  if (!is_quick(lease) && silence_deadline(state, lease) <= step.now) {
    // First, so that nothing is placed there again before it is heard of.
    fall_silent(step, node);
    return end_lease(step, lease, v1::HOST_LOST, {0, "the node was not heard of for too long", ""});
  }
  if (lease.started_at.us == 0 && lease.start_by <= step.now) {
    if (lease.pulling) {
      return end_lease(step, lease, v1::IMAGE_UNAVAILABLE,
                       {0, "its image had not come by then", ""});
    }
    return end_lease(step, lease, v1::START_FAILED, {0, "the node took too long to start it", ""});
  }
  if (const auto owner = owner_deadline(state, lease, node); owner && *owner <= step.now) {
    return stop_lease(step, lease, v1::OWNER_RETURNED);
  }
  if (is_quick(lease) && silence_deadline(state, lease) <= step.now) {
    return set_lease_state(step, lease, v1::SUSPENDED);
  }
  set_deadline(state, lease, node);
}

}  // namespace

Duration close_after(const MarketState& state, const Lease& lease) {
  return lease.close_after.value > 0 ? lease.close_after : Duration(state.policy.close_after_us());
}

Duration stop_grace(const v1::Policy& policy, const Lease& lease) {
  return Duration(lease.stop_reason == v1::PREEMPTED ? policy.spot_notice_us()
                                                     : policy.stop_grace_us());
}

Time deadline_of(const MarketState& state, const Lease& lease, const Node& node) {
  if (lease.state == v1::STOPPING) return stop_deadline(state, lease);
  Time due = silence_deadline(state, lease);
  if (lease.started_at.us == 0) due = std::min(due, lease.start_by);
  if (const auto owner = owner_deadline(state, lease, node)) due = std::min(due, *owner);
  return due;
}

void set_deadline(MarketState& state, Lease& lease, const Node& node) {
  state.deadlines.put(lease.id, lease.due, deadline_of(state, lease, node));
}

void set_deadline(MarketState& state, Lease& lease) {
  set_deadline(state, lease, *state.nodes.find(lease.node));
}

void clear_deadline(MarketState& state, Lease& lease) { state.deadlines.remove(lease.due); }

void reset_deadlines(MarketState& state, const Node& node) {
  for (const LeaseId id : node.leases) set_deadline(state, *state.leases.find(id), node);
}

void reset_deadlines(MarketState& state) {
  state.nodes.each([&](const Node& node) { reset_deadlines(state, node); });
}

std::optional<Time> next_deadline(const MarketState& state) {
  if (schedule_pending(state) || repricing_pending(state) || !state.stopping.empty()) {
    return state.now;
  }
  std::optional<Time> next = state.deadlines.next();
  if (const auto end = interval_end(state)) next = next ? std::min(*next, *end) : *end;
  if (!state.releases.empty()) {
    const Time release = state.releases.begin()->first.at;
    next = next ? std::min(*next, release) : release;
  }
  if (!state.reversible.empty()) {
    const Time firm = state.reversible.begin()->first.first;
    next = next ? std::min(*next, firm) : firm;
  }
  return next;
}

void handle(Step& step, const v1::Tick&) {
  if (!require_market(step)) return;
  MarketState& state = step.state;
  for (std::size_t n = 0; n < state.limits.deadlines_per_command_max; ++n) {
    const auto due = first_due(state);
    if (!due || due->at > step.now) break;
    expire(step, *state.leases.find(due->lease));
  }
  release_earnings(step);
  release_deposits(step);
  stop_more(step);
  reprice(step);
}

void handle(Step& step, const v1::Resume&) {
  if (!require_market(step)) return;
  MarketState& state = step.state;
  state.resumed_index = step.index;
  state.nodes.each([&](Node& node) {
    if (node.removed) return;
    set_link(state, node, false, true);
    node.proof = ProofId();  // nobody waits for its answers any more
    node.proof_disturbed = false;
    if (node.owner != v1::OWNER_AWAY) node.owner_since = step.now;
    for (const LeaseId id : node.leases) {
      Lease& lease = *state.leases.find(id);
      count_unseen(lease, close_after(state, lease), step.now);
      lease.heard_at = step.now;
      lease.start_by =
          std::max(lease.start_by, step.now + Duration(state.policy.start_timeout_us()));
      if (lease.state == v1::STOPPING) lease.stopping_at = step.now;
      if (lease.proof) {
        lease.proof = ProofId();
        ++node.desired_revision;  // it may begin
      }
      set_deadline(state, lease, node);
    }
  });
  wait_for_fences_anew(state);
  step.tell().mutable_resumed();
}

}  // namespace fallow::core
