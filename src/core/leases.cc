#include "core/leases.h"

#include <algorithm>

#include "base/check.h"
#include "base/money.h"
#include "core/blame.h"
#include "core/credits.h"
#include "core/deadlines.h"
#include "core/device_records.h"
#include "core/egress.h"
#include "core/gangs.h"
#include "core/lease_proofs.h"
#include "core/meter.h"
#include "core/nodes.h"
#include "core/orders.h"
#include "core/paid_wait.h"
#include "core/placement.h"
#include "core/proofs.h"
#include "core/run_mode.h"
#include "core/schedule.h"
#include "core/spending.h"
#include "core/spot.h"
#include "core/turns.h"
#include "core/wallets.h"

namespace fallow::core {
namespace {

Node& node_of(MarketState& state, const Lease& lease) {
  Node* const node = state.nodes.find(lease.node);
  FALLOW_CHECK(node != nullptr, "lease {} has no node", lease.id.value);
  return *node;
}

// From when on nothing of an open lease can run; 0: from now on. Its node lets it run for no longer
// than close_after less a sixth from the sending of the last report that named it, and starts
// nothing that no report has named. See docs/fencing.md.
Time fence_of(const Lease& lease, const LastWords& words, Time now) {
  if (words.gone || lease.state == v1::PLACED || lease.close_after.value == 0) return {};
  const Time fence = lease.heard_at + lease.close_after;
  return fence > now ? fence : Time{};
}

void settle(Step& step, Lease& lease, v1::EndReason reason, const Ending& ending) {
  MarketState& state = step.state;
  rerate(step, lease, reason);
  Order& order = *state.orders.find(lease.order);
  order.assigned -= lease.hold - lease.charged;
  const Micros fee_before = lease.fee;
  Micros earned;
  if (!ending.refund) {
    earned = credit_slowed(step, lease);
  } else {
    earned = ending.blame == v1::BLAME_MARKET ? refund_from_market(step, lease)
                                              : refund_from_provider(step, lease);
  }
  // Not before: what may still come back must not buy a discount.
  spend(*state.accounts.find(lease.renter), step.now, lease.charged - lease.refunded);
  state.fees_open -= fee_before;
  delay_earnings(step, lease, earned);
}

void leave_node(Step& step, const Lease& lease, const Ending& ending) {
  MarketState& state = step.state;
  Node& node = node_of(state, lease);
  std::erase(node.leases, lease.id);
  ++node.desired_revision;
  const bool weighs = state.policy.weighs_kept_time();
  // What a provider rents from himself costs him nothing but the fee.
  if (!weighs || lease.renter != node.provider) {
    count_ended(node, ending.by_node, lease.proven, weighs);
    note_record(state, node);
  }
  give_back(node, lease);
  if (node.removed) return;
  load_changed(state, node);
  lapse_proofs(step, node);
  node_gained(state, node);
}

}  // namespace

void place_lease(Step& step, Order& order, std::uint32_t task_index, const Placement& placement,
                 Micros hold, Duration time_max) {
  MarketState& state = step.state;
  Task& task = order.tasks[task_index];
  std::string checkpoint;
  Time checkpoint_at;
  if (const Lease* const former = state.leases.find(task.lease)) {
    FALLOW_CHECK(former->fenced_at <= step.now, "task {} of order {} may still run as lease {}",
                 task_index, order.id.value, former->id.value);
    checkpoint = former->checkpoint;
    checkpoint_at = former->checkpoint_at;
  }
  const auto id = step.next_id<LeaseId>();
  Lease& lease = state.leases.insert(id, Lease{});
  const v1::Requirements& wanted = order.requirements;
  lease.id = id;
  lease.order = order.id;
  lease.task = task_index;
  lease.attempt = ++task.attempts;
  lease.renter = order.account;
  lease.node = placement.node->id;
  Node& node = node_of(state, lease);
  lease.provider = node.provider;
  lease.devices.assign(placement.devices.begin(), placement.devices.end());
  lease.device_thousandths = wanted.device_thousandths();
  lease.cpu_thousandths = wanted.cpu_thousandths();
  lease.memory_mb = wanted.memory_mb();
  lease.disk_mb = wanted.disk_mb();
  lease.device_hour = placement.list_hour;
  lease.term = Duration(wanted.duration_us());
  if (wanted.tier() == v1::RESERVED) {
    lease.discounts = placement.discounts;
    lease.term_before = task.proven;
  }
  lease.disk_gb_hour = placement.disk_gb_hour;
  lease.rate_hour = placement.rate_hour;
  if (is_spot(order)) begin_spot(state, lease, order);
  lease.fee_basis_points = state.policy.fee_basis_points();
  const Account& renter = *state.accounts.find(order.account);
  lease.volume_basis_points = volume_basis_points(state.policy, spent_lately(renter, step.now));
  lease.credit_basis_points_max = state.policy.credit_basis_points_max();
  if (lease.credit_basis_points_max > 0) {
    lease.slow_basis_points = slow_basis_points(node, lease.devices);
  }
  lease.hold = hold;
  lease.time_max = time_max;
  lease.egress_bytes_max = egress_left(order, task);
  if (lease.egress_bytes_max > 0) lease.egress_gb = placement.egress_gb;
  lease.placed_at = step.now;
  lease.heard_at = step.now;
  lease.idle_since = step.now;
  lease.start_by = step.now + Duration(state.policy.start_timeout_us());
  if (state.policy.waits_for_fence()) lease.close_after = Duration(state.policy.close_after_us());
  lease.placed_revision = ++node.desired_revision;
  lease.placed_index = step.index;
  lease.checkpoint = std::move(checkpoint);
  lease.checkpoint_at = checkpoint_at;

  reserve(node, lease);
  node.leases.push_back(id);
  ++node.leases_known;
  load_changed(state, node);
  if (!lease.spot) {  // what others leave says nothing of what a device is worth
    state.indexes.traded(node, lease.device_hour,
                         std::uint64_t{lease.device_thousandths} * lease.devices.size());
  }
  // What only waits is free to ask for, and would let anyone say what is likely to come.
  if (task.attempts == 1 && task_index < DemandMix::kTasksMax) {
    state.scoring.mix.count({gpus_of(wanted), share_of(wanted)}, 1, step.now);
  }
  order.assigned += hold;
  order.leases.push_back(id);
  ++state.leases_open;
  task.lease = id;
  set_task_state(step, order, task_index, v1::LEASED);
  set_deadline(state, lease);

  v1::LeasePlaced& told = *step.tell().mutable_lease_placed();
  told.set_lease(id.value);
  told.set_order(order.id.value);
  told.set_task(task_index);
  told.set_node(node.id.value);
  told.set_account(order.account.value);
  told.set_rate_hour_micros(lease.rate_hour.value);
  told.set_hold_micros(hold.value);
  told.set_device_hour_micros(lease.device_hour.value);
  told.set_disk_gb_hour_micros(lease.disk_gb_hour.value);
  told.set_volume_basis_points(lease.volume_basis_points);
  told.set_spot_bid_micros(lease.spot_bid.value);
  told.set_spot_floor_micros(lease.spot_floor.value);
  told.set_slow_basis_points(lease.slow_basis_points);
  told.set_egress_gb_micros(lease.egress_gb.value);
  told.set_egress_bytes_max(lease.egress_bytes_max);
  if (wanted.tier() == v1::RESERVED) *told.mutable_discounts() = message_of(lease.discounts);
}

void extend_lease(Step& step, Lease& lease, Duration more) {
  Order& order = *step.state.orders.find(lease.order);
  const Micros before = lease.hold;
  if (lease.extended_revision == 0) lease.time_known = lease.time_max;
  lease.extended_revision = ++node_of(step.state, lease).desired_revision;
  lease.time_max += more;
  // A hold that the budget had cut may be a little more than its time costs.
  lease.hold = std::max(before, price_of(lease.rate_hour, lease.time_max) + egress_hold(lease));
  order.assigned += lease.hold - before;
  v1::LeaseExtended& told = *step.tell().mutable_lease_extended();
  told.set_lease(lease.id.value);
  told.set_order(order.id.value);
  told.set_task(lease.task);
  told.set_node(lease.node.value);
  told.set_account(lease.renter.value);
  told.set_hold_micros(lease.hold.value);
  told.set_time_us_max(lease.time_max.value);
}

void set_lease_state(Step& step, Lease& lease, v1::LeaseState to) {
  if (lease.state == to) return;
  lease.state = to;
  set_deadline(step.state, lease);
  v1::LeaseChanged& told = *step.tell().mutable_lease_changed();
  told.set_lease(lease.id.value);
  told.set_node(lease.node.value);
  told.set_state(to);
  if (to == v1::STOPPING) told.set_reason(lease.stop_reason);
}

void stop_lease(Step& step, Lease& lease, v1::EndReason reason) {
  if (lease.state == v1::STOPPING) {
    if (reason != v1::STOPPED || !ending_of(lease.stop_reason).retry) return;
    lease.stop_reason = reason;
    set_deadline(step.state, lease);  // who was preempted had longer notice
    return stop_gang(step, lease, reason);
  }
  leave_spot(step.state, lease);
  if (step.state.policy.counts_until_stop()) {
    lease.stop_proven_max = proven_max_at_stop(step.state, lease, step.now);
  }
  lease.stop_reason = reason;
  lease.cut_short = ending_of(reason).retry;
  lease.stopping_at = step.now;
  ++node_of(step.state, lease).desired_revision;
  set_lease_state(step, lease, v1::STOPPING);
  stop_gang(step, lease, reason);
}

void end_lease(Step& step, Lease& lease, v1::EndReason reason, LastWords words) {
  MarketState& state = step.state;
  const Ending ending = ending_of(reason);
  settle(step, lease, reason, ending);
  leave_spot(state, lease);
  clear_deadline(state, lease);
  lease.fenced_at = fence_of(lease, words, step.now);
  lease.state = v1::ENDED;
  lease.stop_proven_max = Duration(0);
  lease.ended_at = step.now;
  lease.ended_index = step.index;
  lease.reason = reason;
  lease.blame = ending.blame;
  lease.exit_code = words.exit_code;
  lease.detail = std::move(words.detail);
  lease.output_manifest = std::move(words.output_manifest);
  const std::size_t open_before = state.leases_open--;
  if (open_before == state.limits.leases_open_max) {
    all_waiting_anew(state);
  } else if (open_before + state.limits.nodes_per_gang_max > state.limits.leases_open_max) {
    // Gangs need several. With fair turns most orders are big, and one lease is enough for those.
    const absl::btree_set<Turn>& several =
        state.policy.firm_turns() ? state.gangs_waiting : state.big_waiting;
    state.dirty.insert(several.begin(), several.end());
  }
  if (lease.proof) drop_lease_proof(step, lease, ending.by_node);
  leave_node(step, lease, ending);

  v1::LeaseEnded& told = *step.tell().mutable_lease_ended();
  told.set_lease(lease.id.value);
  told.set_order(lease.order.value);
  told.set_task(lease.task);
  told.set_node(lease.node.value);
  told.set_account(lease.renter.value);
  told.set_reason(reason);
  told.set_blame(ending.blame);
  told.set_proven_us(lease.proven.value);
  told.set_charged_micros(lease.charged.value);
  told.set_refunded_micros(lease.refunded.value);
  told.set_fee_micros(lease.fee.value);
  told.set_rerated_hour_micros(lease.rerated_hour.value);
  told.set_egress_bytes(lease.egress_bytes);
  told.set_egress_micros(egress_cost(lease).value);
  if (auto wait = paid_wait(state, lease, ending)) *told.mutable_paid_wait() = std::move(*wait);
  stop_gang(step, lease, reason);
  after_lease(step, lease, ending);
  if (lease.claimant) take_room(step, lease.claimant);
}

}  // namespace fallow::core
