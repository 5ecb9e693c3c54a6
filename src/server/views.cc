#include "server/views.h"

#include <algorithm>
#include <limits>

#include "base/money.h"
#include "core/credits.h"
#include "core/egress.h"
#include "core/price_index.h"
#include "core/query.h"
#include "core/spending.h"
#include "core/spot.h"
#include "core/waits_for.h"
#include "server/roles.h"

namespace fallow::server {
namespace {

template <class View, class Mutable>
void put_time(View& view, Mutable mutable_field, Time time) {
  if (time.us != 0) *(view.*mutable_field)() = timestamp_of(time);
}

template <class View, class Mutable>
void put_duration(View& view, Mutable mutable_field, Duration span) {
  google::protobuf::Duration& out = *(view.*mutable_field)();
  out.set_seconds(span.value / 1'000'000);
  out.set_nanos(static_cast<std::int32_t>(span.value % 1'000'000) * 1'000);
}

double thousand(std::uint64_t thousandths) { return static_cast<double>(thousandths) / 1000; }

template <class Scopes>
void put_scopes(Scopes& scopes, core::ScopeSet set) {
  for (const v1::Scope scope : {v1::RENTER, v1::PROVIDER, v1::OPERATOR}) {
    if ((set & (1U << scope)) != 0) scopes.Add(scope);
  }
}

std::string node_name(const core::Machine& machine, NodeId id) {
  const core::Node* node = machine.node(id);
  return node == nullptr ? std::string() : node->facts.name();
}

}  // namespace

google::protobuf::Timestamp timestamp_of(Time time) {
  // What RFC 3339 can write: the years 1 to 9999.
  const std::int64_t us = std::clamp<std::int64_t>(time.us, 0, 253'402'300'799'000'000);
  google::protobuf::Timestamp out;
  out.set_seconds(us / 1'000'000);
  out.set_nanos(static_cast<std::int32_t>(us % 1'000'000) * 1'000);
  return out;
}

std::string key_id(const Digest& secret_hash) { return to_hex(secret_hash).substr(0, 16); }

v1::OfferView offer_view(const core::Node& node) {
  v1::OfferView view;
  view.set_id(node.offer.id.value);
  view.set_node(node.id.value);
  view.set_provider(node.provider.value);
  view.set_node_name(node.facts.name());
  std::uint32_t free = 0;
  std::uint32_t memory_mb = node.devices.empty() ? 0 : std::numeric_limits<std::uint32_t>::max();
  for (const core::NodeDevice& device : node.devices) {
    free += device.free_thousandths;
    memory_mb = std::min(memory_mb, device.facts.memory_mb());
    if (core::is_verified(device.facts)) view.set_gpus_verified(view.gpus_verified() + 1);
  }
  if (!node.devices.empty()) {
    view.set_gpu_name(node.devices.front().facts.model());
    view.set_device_kind(node.devices.front().facts.kind());
  }
  view.set_num_gpus(static_cast<std::uint32_t>(node.devices.size()));
  view.set_free_thousandths(free);
  view.set_gpu_ram_gb(thousand(memory_mb));
  view.set_price_per_hour(format_money(node.offer.device_hour));
  view.set_disk_price_per_gb_hour(format_money(node.offer.disk_gb_hour));
  if (node.offer.egress_gb.value > 0) {
    view.set_egress_price_per_gb(format_money(node.offer.egress_gb));
  }
  if (node.offer.ceiling.value > 0) {
    view.set_price_floor_per_hour(format_money(node.offer.floor));
    view.set_price_ceiling_per_hour(format_money(node.offer.ceiling));
  }
  if (node.offer.discounts != core::Discounts{}) {
    *view.mutable_discounts() = core::message_of(node.offer.discounts);
  }
  if (node.offer.spot) {
    const Micros floor = core::spot_floor(node.offer);
    const core::PriceIndex* index = node.counted.index;
    view.set_spot_floor_per_hour(format_money(floor));
    view.set_spot_floor_set_per_hour(format_money(node.offer.spot_floor));
    view.set_spot_price_per_hour(
        format_money(index == nullptr ? floor : std::max(floor, index->spot)));
  }
  view.set_share_min(thousand(node.offer.share_thousandths_min));
  view.set_hours_max(static_cast<double>(node.offer.duration_max.value) /
                     static_cast<double>(kHour.value));
  view.set_region(node.facts.region());
  view.set_lan(node.facts.lan());
  view.set_rack(node.facts.rack());
  view.set_reliability(static_cast<double>(core::reliability_ppm(node)) / 1e6);
  if (node.survival.is_known()) {
    const core::SurvivalCode day = node.survival.codes[core::survival_span(hours(24))];
    view.set_lasting_day(static_cast<double>(core::survival_ppm(day)) / 1e6);
  }
  view.set_cpu_cores(thousand(node.facts.cpu_thousandths()));
  view.set_cpu_ram_gb(thousand(node.facts.memory_mb()));
  view.set_disk_gb(thousand(node.facts.disk_mb()));
  view.set_download_mbps(node.facts.download_mbps());
  view.set_upload_mbps(node.facts.upload_mbps());
  view.set_isolation(node.facts.isolation());
  view.set_network(node.facts.network());
  view.set_available(node.connected && !node.removed && node.owner == v1::OWNER_AWAY &&
                     node.offer.id.value != 0 && free > 0);
  return view;
}

v1::QuoteView quote_view(const v1::BoundQuote& quote) {
  v1::QuoteView view;
  *view.mutable_expires_at() = timestamp_of(Time{quote.expires_at_us()});
  view.set_task_price_per_hour(format_money(Micros(quote.task_hour_micros())));
  view.set_total(format_money(Micros(quote.total_micros())));
  view.set_tasks(quote.tasks());
  if (quote.egress_gb_micros() > 0) {
    view.set_egress_price_per_gb(format_money(Micros(quote.egress_gb_micros())));
  }
  *view.mutable_requirements() = quote.requirements();
  return view;
}

v1::NodeView node_view(const core::Node& node, const core::Machine& machine) {
  v1::NodeView view;
  view.set_id(node.id.value);
  view.set_provider(node.provider.value);
  *view.mutable_facts() = node.facts;
  view.mutable_facts()->clear_devices();
  for (const core::NodeDevice& device : node.devices)
    *view.mutable_facts()->add_devices() = device.facts;
  view.set_connected(node.connected);
  view.set_owner(node.owner);
  view.set_reliability(static_cast<double>(core::reliability_ppm(node)) / 1e6);
  put_time(view, &v1::NodeView::mutable_joined_at, node.joined_at);
  put_time(view, &v1::NodeView::mutable_seen_at, node.seen_at);
  view.set_leases_running(static_cast<std::uint32_t>(
      std::count_if(node.leases.begin(), node.leases.end(), [&machine](LeaseId id) {
        const core::Lease* lease = machine.lease(id);
        return lease != nullptr && lease->state == v1::RUNNING;
      })));
  if (node.offer.id.value != 0) *view.mutable_offer() = offer_view(node);
  return view;
}

v1::TaskView task_view(const core::Task& task, std::uint32_t index, const core::Machine& machine) {
  v1::TaskView view;
  view.set_index(index);
  view.set_state(task.state);
  view.set_lease(task.lease.value);
  view.set_attempts(task.attempts);
  const core::Lease* lease = task.lease.value == 0 ? nullptr : machine.lease(task.lease);
  if (lease == nullptr) return view;
  view.set_node(lease->node.value);
  view.set_node_name(node_name(machine, lease->node));
  view.set_last_reason(lease->reason);
  view.set_last_blame(lease->blame);
  view.set_exit_code(lease->exit_code);
  view.set_detail(lease->detail);
  view.set_output_manifest(
      to_hex({reinterpret_cast<const std::uint8_t*>(lease->output_manifest.data()),
              lease->output_manifest.size()}));
  view.set_checkpoint_manifest(to_hex(std::string_view(lease->checkpoint)));
  put_time(view, &v1::TaskView::mutable_checkpoint_at, lease->checkpoint_at);
  return view;
}

void put_waits_for(v1::OrderView& view, const core::Order& order, const core::Machine& machine) {
  const auto waits = machine.waits_for(order);
  if (!waits) return;
  view.set_waits_for(waits->reason);
  put_time(view, &v1::OrderView::mutable_retry_at, waits->retry_at);
  if (waits->reason != v1::WAITS_FOR_PRICE) return;
  view.set_price_per_hour_max(format_money(waits->rate_hour_max));
  view.set_free_price_per_hour(format_money(waits->rate_hour_free));
}

v1::OrderView order_view(const core::Order& order, const core::Machine& machine, bool with_tasks) {
  v1::OrderView view;
  view.set_id(order.id.value);
  view.set_account(order.account.value);
  view.set_name(order.name);
  view.set_state(order.state);
  put_time(view, &v1::OrderView::mutable_created_at, order.created_at);
  put_time(view, &v1::OrderView::mutable_ended_at, order.ended_at);
  view.set_tasks_total(static_cast<std::uint32_t>(order.tasks.size()));
  view.set_tasks_done(order.done);
  view.set_tasks_running(order.leased);
  view.set_tasks_waiting(order.waiting);
  view.set_tasks_failed(order.failed);
  view.set_budget(format_money(order.budget));
  view.set_project(order.project);
  put_time(view, &v1::OrderView::mutable_deadline, order.deadline);
  view.set_held(format_money(order.held));
  view.set_charged(format_money(order.charged));
  *view.mutable_requirements() = order.requirements;
  *view.mutable_workload() = order.workload;
  view.set_rescued(order.rescued);
  if (!with_tasks) return view;
  put_waits_for(view, order, machine);
  const std::size_t count = std::min(order.tasks.size(), kTasksShownMax);
  for (std::size_t i = 0; i < count; ++i) {
    *view.add_tasks() = task_view(order.tasks[i], static_cast<std::uint32_t>(i), machine);
  }
  return view;
}

v1::ExtensionView extension_view(const core::Order& order, const core::Extension& extension,
                                 Duration more) {
  v1::ExtensionView view;
  view.set_order(order.id.value);
  put_duration(view, &v1::ExtensionView::mutable_task_time,
               Duration(order.requirements.duration_us()) + more);
  view.set_tasks(extension.tasks);
  view.set_price_per_hour(format_money(extension.task_hour));
  view.set_cost(format_money(extension.cost));
  return view;
}

v1::Tier tier_of(const core::Lease& lease, const core::Order& order) {
  return lease.spot ? v1::SPOT : order.requirements.tier();
}

v1::LeaseView lease_view(const core::Lease& lease, const core::Machine& machine) {
  v1::LeaseView view;
  view.set_id(lease.id.value);
  view.set_order(lease.order.value);
  view.set_task(lease.task);
  view.set_attempt(lease.attempt);
  view.set_account(lease.renter.value);
  view.set_node(lease.node.value);
  view.set_node_name(node_name(machine, lease.node));
  for (const std::uint32_t device : lease.devices) view.add_devices(device);
  view.set_state(lease.state);
  view.set_reason(lease.reason);
  view.set_blame(lease.blame);
  view.set_exit_code(lease.exit_code);
  view.set_detail(lease.detail);
  // Of a spot lease what it paid last; before that its bid.
  view.set_price_per_hour(format_money(lease.runs.empty()
                                           ? std::max(lease.rate_hour, lease.rerated_hour)
                                           : lease.runs.back().rate_hour));
  const core::Order* order = machine.order(lease.order);
  if (order != nullptr) view.set_tier(tier_of(lease, *order));
  put_time(view, &v1::LeaseView::mutable_placed_at, lease.placed_at);
  put_time(view, &v1::LeaseView::mutable_started_at, lease.started_at);
  put_time(view, &v1::LeaseView::mutable_ended_at, lease.ended_at);
  put_duration(view, &v1::LeaseView::mutable_proven, lease.proven);
  put_duration(view, &v1::LeaseView::mutable_slowed, core::slowed_time(lease));
  put_duration(view, &v1::LeaseView::mutable_time_max, lease.time_max);
  view.set_held(format_money(core::is_open(lease) ? lease.hold - lease.charged : Micros()));
  view.set_charged(format_money(lease.charged));
  view.set_refunded(format_money(lease.refunded));
  view.set_credited(format_money(lease.credited));
  view.set_egress_gb(static_cast<double>(lease.egress_bytes) / 1e9);
  view.set_egress_gb_max(static_cast<double>(lease.egress_bytes_max) / 1e9);
  view.set_egress_price_per_gb(format_money(lease.egress_gb));
  view.set_egress_charged(format_money(core::egress_cost(lease)));
  view.set_output_manifest(
      to_hex({reinterpret_cast<const std::uint8_t*>(lease.output_manifest.data()),
              lease.output_manifest.size()}));
  if (!lease.image_digest.empty()) {
    view.set_image_digest("sha256:" + to_hex(std::string_view(lease.image_digest)));
  }
  view.set_checkpoint_manifest(to_hex(std::string_view(lease.checkpoint)));
  put_time(view, &v1::LeaseView::mutable_checkpoint_at, lease.checkpoint_at);
  view.set_checkpoints(lease.checkpoint_sequence);
  return view;
}

v1::WalletView wallet_view(AccountId account, const core::Machine& machine) {
  const core::Ledger& ledger = machine.ledger();
  const auto balance = [&](v1::LedgerKind kind) {
    return format_money(ledger.balance({account, kind}));
  };
  v1::WalletView view;
  view.set_account(account.value);
  view.set_currency(machine.found().currency());
  view.set_available(balance(v1::WALLET));
  view.set_held(balance(v1::HELD));
  view.set_pending(balance(v1::PENDING));
  view.set_earned(balance(v1::EARNED));
  const Micros owed = ledger.balance({account, v1::OWED});
  if (owed.value != 0) view.set_owed(format_money(-owed));
  if (const core::Account* found = machine.account(account)) {
    if (found->month_budget.value != 0) view.set_month_budget(format_money(found->month_budget));
    view.set_month_used(format_money(found->month_used));
    if (found->total.max.value != 0) view.set_total_budget(format_money(found->total.max));
    view.set_total_used(format_money(found->total.used));
    for (const auto& [name, budget] : found->projects) {
      v1::ProjectView& project = *view.add_projects();
      project.set_name(name);
      if (budget.max.value != 0) project.set_budget(format_money(budget.max));
      project.set_used(format_money(budget.used));
    }
    const Micros spent = core::spent_lately(*found, machine.now());
    view.set_spent_30_days(format_money(spent));
    view.set_fee_let_off(core::volume_basis_points(machine.policy(), spent) / 1e4);
  }
  return view;
}

v1::PayoutView payout_view(const core::Payout& payout) {
  v1::PayoutView view;
  view.set_id(payout.id);
  view.set_account(payout.account.value);
  view.set_amount(format_money(payout.amount));
  view.set_destination(payout.destination);
  put_time(view, &v1::PayoutView::mutable_requested_at, payout.requested_at);
  view.set_state(v1::PAYOUT_OPEN);
  return view;
}

v1::KeyView key_view(const core::ApiKey& key) {
  v1::KeyView view;
  view.set_id(key_id(key.secret_hash));
  view.set_account(key.account.value);
  put_scopes(*view.mutable_scopes(), key.scopes);
  view.set_label(key.label);
  put_time(view, &v1::KeyView::mutable_expires_at, key.expires_at);
  view.set_role(shown_role(key.role));
  put_time(view, &v1::KeyView::mutable_created_at, key.created_at);
  return view;
}

v1::AccountView account_view(const core::Account& account) {
  v1::AccountView view;
  view.set_id(account.id.value);
  view.set_name(account.name);
  put_scopes(*view.mutable_scopes(), account.scopes);
  put_time(view, &v1::AccountView::mutable_created_at, account.created_at);
  return view;
}

v1::MemberView member_view(AccountId account, AccountId member, const core::Membership& membership,
                           const core::Machine& machine) {
  v1::MemberView view;
  view.set_account(account.value);
  view.set_member(member.value);
  view.set_role(membership.role);
  view.set_invited(membership.invited);
  if (const core::Account* team = machine.account(account)) view.set_account_name(team->name);
  const core::Account* const who = membership.invited ? nullptr : machine.account(member);
  if (who != nullptr) view.set_member_name(who->name);
  return view;
}

v1::WebhookView webhook_view(const core::Webhook& webhook) {
  v1::WebhookView view;
  view.set_id(webhook.id.value);
  view.set_account(webhook.account.value);
  view.set_url(webhook.url);
  for (const std::string& kind : webhook.kinds) view.add_kinds(kind);
  view.set_label(webhook.label);
  view.set_everyone(webhook.everyone);
  put_time(view, &v1::WebhookView::mutable_created_at, webhook.created_at);
  put_time(view, &v1::WebhookView::mutable_stopped_at, webhook.stopped_at);
  view.set_stop_reason(webhook.stop_reason);
  view.set_secret_number(webhook.secret_number);
  return view;
}

v1::MarketView market_view(const core::Machine& machine, Time now) {
  v1::MarketView view;
  view.set_name(machine.found().market_name());
  view.set_currency(machine.found().currency());
  view.set_public_key(
      to_hex({reinterpret_cast<const std::uint8_t*>(machine.found().market_public_key().data()),
              machine.found().market_public_key().size()}));
  *view.mutable_policy() = machine.policy();
  view.set_last_index(machine.last_index().value);
  *view.mutable_now() = timestamp_of(now);
  const core::Machine::Counts counts = machine.counts();
  if (counts.accounts + counts.nodes + counts.orders_open + counts.leases_open <= kDigestedMax) {
    view.set_digest(to_hex(machine.digest()));
  }
  view.set_nodes_connected(static_cast<std::uint32_t>(counts.nodes_connected));
  view.set_devices_total(static_cast<std::uint32_t>(counts.devices));
  view.set_leases_open(static_cast<std::uint32_t>(counts.leases_open));
  view.set_orders_open(static_cast<std::uint32_t>(counts.orders_open));
  return view;
}

}  // namespace fallow::server
