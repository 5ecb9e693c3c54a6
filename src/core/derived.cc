#include "core/derived.h"

#include <algorithm>
#include <utility>

#include "core/checks.h"
#include "core/deadlines.h"
#include "core/nodes.h"
#include "core/orders.h"
#include "core/proofs.h"
#include "core/requirements.h"
#include "core/retry.h"
#include "core/run_mode.h"
#include "core/spot.h"
#include "core/turns.h"

namespace fallow::core {
namespace {

void derive_people(MarketState& state) {
  for (const auto& [unused, payout] : state.payouts) state.payouts_total += payout.amount;
  for (const auto& [place, key] : state.keys)
    state.key_owners.emplace(key.secret_hash, key.account);
  for (const auto& [place, unused] : state.members) state.teams.emplace(place.second, place.first);
  for (std::size_t place = 0; place < state.deposits.size(); ++place) {
    state.deposit_places.emplace(state.deposits[place].reference,
                                 static_cast<std::uint32_t>(place));
  }
  for (const auto& [unused, deposit] : state.reversible) {
    state.reversible_of[deposit.account] += deposit.amount;
  }
  state.ledger.visit([&](LedgerKey key, Micros balance) {
    if (key.kind == v1::OWED) state.debts_total -= balance;
  });
}

void derive_nodes(MarketState& state) {
  state.nodes.each([&](Node& node) {
    std::uint32_t place = 0;
    for (NodeDevice& device : node.devices) {
      device.facts.set_index(place++);
      device.free_thousandths = kWholeDevice;
    }
    refresh_free(node);
    if (node.removed) return;
    state.node_keys.emplace(digest_of_checked(node.public_key), node.id);
    note_shown_devices(state, node);
    ++state.nodes_present;
    state.devices += node.devices.size();
    if (node.connected) ++state.nodes_connected;
  });
}

void count_task(Order& order, const Task& task) {
  order.waiting += task.state == v1::WAITING ? 1 : 0;
  order.leased += task.state == v1::LEASED ? 1 : 0;
  order.done += task.state == v1::DONE ? 1 : 0;
  order.failed += task.state == v1::FAILED ? 1 : 0;
  order.stopped += task.state == v1::TASK_STOPPED ? 1 : 0;
}

Status derive_orders(MarketState& state) {
  Status status;
  state.orders.each([&](Order& order) {
    for (const Task& task : order.tasks) count_task(order, task);
    (order.state == v1::OPEN ? state.workload_bytes_open : state.workload_bytes_of_ended) +=
        workload_bytes(order);
    if (order.state != v1::OPEN) {
      state.tasks_of_ended += order.tasks.size();
      return;
    }
    order.held = order.budget - order.charged;
    ++state.orders_open;
    state.tasks_open += order.tasks.size();
    ++state.accounts.find(order.account)->orders_open;
    auto demand = demand_of(order.requirements, state.limits);
    if (!demand) {
      status = fail(ErrorCode::kCorrupt, "order {} asks for what cannot be: {}", order.id.value,
                    demand.error().message);
      return;
    }
    order.demand = std::move(*demand);
    order.demand.rate_hour_max = order.rate_hour_max;
    order.demand.egress_gb_max = order.egress_gb_max;
    demand_now(state, order);
    if (order.on_spot) {
      const std::uint64_t turn = std::exchange(order.turn, 0);
      ask_for(order, true);
      order.turn = turn;
    }
    if (order.turn != 0) restore_waiting(state, order);
  });
  return status;
}

// Sets the lease's capacity aside, as far as the node has it.
bool take(Node& node, const Lease& lease) {
  for (const std::uint32_t index : lease.devices) {
    if (index >= node.devices.size()) return false;
    std::uint32_t& free = node.devices[index].free_thousandths;
    if (free < lease.device_thousandths) return false;
    free -= lease.device_thousandths;
  }
  const auto add = [](std::uint32_t& used, std::uint32_t more) {
    return !__builtin_add_overflow(used, more, &used);
  };
  // The node's facts may have shrunk below what is leased of it.
  return add(node.cpu_thousandths_used, lease.cpu_thousandths) &&
         add(node.memory_mb_used, lease.memory_mb) && add(node.disk_mb_used, lease.disk_mb);
}

Status derive_leases(MarketState& state) {
  Status status;
  state.leases.each([&](Lease& lease) {
    Order& order = *state.orders.find(lease.order);
    Node& node = *state.nodes.find(lease.node);
    order.leases.push_back(lease.id);
    ++node.leases_known;
    if (!restore_runs(lease)) {
      status = fail(ErrorCode::kCorrupt, "lease {} has prices that cannot be", lease.id.value);
    }
    if (order.state != v1::OPEN) ++state.leases_of_ended;
    if (!is_open(lease)) {
      const Task& task = order.tasks[lease.task];
      if (task.lease == lease.id && task.retry_at.us > 0) restore_delay(state, order, task);
      return;
    }
    ++state.leases_open;
    if (lease.spot && lease.state != v1::STOPPING) {
      state.spot_leases.insert({lease.spot_bid, lease.id});
    }
    Order* const claimant = state.orders.find(lease.claimant);
    if (claimant != nullptr && claimant->state == v1::OPEN) ++claimant->claims;
    node.leases.push_back(lease.id);
    order.assigned += lease.hold - lease.charged;
    state.fees_open += lease.fee;
    if (!take(node, lease)) {
      status = fail(ErrorCode::kCorrupt, "lease {} has what node {} does not have", lease.id.value,
                    node.id.value);
    }
    set_deadline(state, lease);
  });
  return status;
}

}  // namespace

Status derive(MarketState& state) {
  derive_people(state);
  derive_nodes(state);
  FALLOW_TRY(derive_orders(state));
  FALLOW_TRY(derive_leases(state));
  bool classes_there = true;
  state.nodes.each([&](Node& node) {
    refresh_free(node);
    if (node.removed) return;
    classes_there = state.indexes.restore(node) && classes_there;
    enter_spot_class(state, node);
    if (node.offer.ceiling.value > 0) state.followers.insert(node.id);
    state.book->update(node);
  });
  state.scoring.now = state.now;
  state.indexes.visit([&](const PriceIndex& index) {
    state.scoring.expected_until = std::max(state.scoring.expected_until, index.expected_until);
  });
  if (!classes_there)
    return fail(ErrorCode::kCorrupt, "a node counts in a class that is not there");
  return {};
}

}  // namespace fallow::core
