// The reading half of Machine: nothing here changes anything.
#include <algorithm>
#include <utility>

#include "core/deadlines.h"
#include "core/egress.h"
#include "core/machine.h"
#include "core/market_state.h"
#include "core/placement.h"
#include "core/waits_for.h"

namespace fallow::core {

LogIndex Machine::last_index() const { return state_->last_index; }
Time Machine::now() const { return state_->now; }
bool Machine::founded() const { return state_->founded; }
const v1::Found& Machine::found() const { return state_->found; }
const v1::Policy& Machine::policy() const { return state_->policy; }

const Account* Machine::account(AccountId id) const {
  return std::as_const(state_->accounts).find(id);
}
const Node* Machine::node(NodeId id) const { return std::as_const(state_->nodes).find(id); }
const Order* Machine::order(OrderId id) const { return std::as_const(state_->orders).find(id); }
const Lease* Machine::lease(LeaseId id) const { return std::as_const(state_->leases).find(id); }

const ApiKey* Machine::key(const Digest& secret_hash) const {
  const auto owner = state_->key_owners.find(secret_hash);
  if (owner == state_->key_owners.end()) return nullptr;
  const auto key = state_->keys.find(std::pair(owner->second, secret_hash));
  return key == state_->keys.end() ? nullptr : &key->second;
}

const Payout* Machine::payout(std::uint64_t id) const {
  const auto found = state_->payouts.find(id);
  return found == state_->payouts.end() ? nullptr : &found->second;
}

const Webhook* Machine::webhook(WebhookId id) const {
  const auto found = state_->webhooks.find(id);
  return found == state_->webhooks.end() ? nullptr : &found->second;
}

std::optional<v1::Role> Machine::role_in(AccountId account, AccountId member) const {
  const auto found = state_->members.find(std::pair(account, member));
  if (found == state_->members.end() || found->second.invited) return std::nullopt;
  return found->second.role;
}

const Ledger& Machine::ledger() const { return state_->ledger; }
const Book& Machine::book() const { return *state_->book; }

std::optional<WaitsFor> Machine::waits_for(const Order& order) const {
  return core::waits_for(*state_, order);
}

void Machine::visit_accounts(AccountId after,
                             const std::function<bool(const Account&)>& visit) const {
  state_->accounts.visit(after, visit);
}

void Machine::visit_keys(AccountId account, const std::function<bool(const ApiKey&)>& visit) const {
  for (auto at = state_->keys.lower_bound(std::pair(account, Digest{}));
       at != state_->keys.end() && at->first.first == account; ++at) {
    if (!visit(at->second)) return;
  }
}

void Machine::visit_nodes(NodeId after, const std::function<bool(const Node&)>& visit) const {
  state_->nodes.visit(after, visit);
}

void Machine::visit_orders_newest(OrderId before,
                                  const std::function<bool(const Order&)>& visit) const {
  state_->orders.visit_down(before, visit);
}

void Machine::visit_leases_newest(LeaseId before,
                                  const std::function<bool(const Lease&)>& visit) const {
  state_->leases.visit_down(before, visit);
}

void Machine::visit_payouts(const std::function<bool(const Payout&)>& visit) const {
  for (const auto& [unused, payout] : state_->payouts) {
    if (!visit(payout)) return;
  }
}

void Machine::visit_webhooks(const std::function<bool(const Webhook&)>& visit) const {
  for (const auto& [unused, webhook] : state_->webhooks) {
    if (!visit(webhook)) return;
  }
}

void Machine::visit_members(AccountId account, const VisitMember& visit) const {
  for (auto at = state_->members.lower_bound(std::pair(account, AccountId()));
       at != state_->members.end() && at->first.first == account; ++at) {
    if (!visit(account, at->first.second, at->second)) return;
  }
}

void Machine::visit_teams(AccountId member, const VisitMember& visit) const {
  for (auto at = state_->teams.lower_bound(std::pair(member, AccountId()));
       at != state_->teams.end() && at->first == member; ++at) {
    if (!visit(at->second, member, state_->members.at(std::pair(at->second, member)))) return;
  }
}

Machine::Counts Machine::counts() const {
  Counts counts;
  counts.accounts = state_->accounts.size();
  counts.nodes = state_->nodes_present;
  counts.nodes_connected = state_->nodes_connected;
  counts.devices = state_->devices;
  counts.orders_open = state_->orders_open;
  counts.orders_waiting = state_->waiting.size() + state_->spot_waiting.size();
  counts.leases_open = state_->leases_open;
  return counts;
}

v1::Desired Machine::desired(NodeId node_id) const {
  v1::Desired desired;
  const Node* const found = node(node_id);
  if (found == nullptr) return desired;
  desired.set_revision(found->desired_revision);
  for (const LeaseId id : found->leases) {
    const Lease& bound = *lease(id);
    const Order& asked = *order(bound.order);
    v1::DesiredLease& wanted = *desired.add_leases();
    wanted.set_lease(bound.id.value);
    wanted.set_order(bound.order.value);
    wanted.set_task(bound.task);
    wanted.set_tasks(static_cast<std::uint32_t>(asked.tasks.size()));
    wanted.set_nodes(nodes_of(asked.requirements));
    wanted.set_attempt(bound.attempt);
    for (const std::uint32_t device : bound.devices) wanted.add_devices(device);
    wanted.set_device_thousandths(bound.device_thousandths);
    *wanted.mutable_workload() = asked.workload;
    wanted.set_memory_mb(bound.memory_mb);
    wanted.set_cpu_thousandths(bound.cpu_thousandths);
    wanted.set_disk_mb(bound.disk_mb);
    wanted.set_network(asked.requirements.network());
    wanted.set_isolation(asked.requirements.isolation_min());
    wanted.set_time_us_max(bound.time_max.value);
    // Nothing at all may be left for this attempt: no packet is as small as a byte.
    if (egress_bytes_max(asked.requirements) > 0) {
      wanted.set_egress_bytes_max(std::max<std::int64_t>(bound.egress_bytes_max, 1));
    }
    if (bound.state == v1::STOPPING) {
      wanted.set_stop(true);
      wanted.set_stop_reason(bound.stop_reason);
    }
    wanted.set_stop_grace_us(stop_grace(state_->policy, bound).value);
    wanted.set_close_after_us(bound.close_after.value);
    wanted.set_checkpoint_manifest(bound.checkpoint);
    wanted.set_proof(bound.proof.value);
  }
  return desired;
}

}  // namespace fallow::core
