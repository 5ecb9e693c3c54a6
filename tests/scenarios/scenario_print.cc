// What the market tells, and what it holds, as lines for a person.
#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "base/money.h"
#include "core/waits_for.h"
#include "scenario.h"

namespace fallow::scenario {
namespace {

// What the scenario calls it, without the zeros that make it a digest.
std::string checkpoint_name(const std::string& manifest) {
  return manifest.substr(0, manifest.find('\0'));
}

std::string money(std::int64_t micros) { return format_money(Micros(micros)); }

std::string lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

std::string wait_text(const v1::LeaseEnded& end) {
  if (!end.has_paid_wait()) return "";
  const v1::PaidWait& wait = end.paid_wait();
  return fmt::format(", {} of its wait for {} of {} in {} counts{}",
                     span_text(Duration(wait.until_us() - wait.from_us())),
                     static_cast<double>(wait.thousandths()) / 1e3, wait.model(), wait.region(),
                     wait.device_hour_micros_max() == 0
                         ? ""
                         : fmt::format(" at up to {}/h", money(wait.device_hour_micros_max())));
}

std::string megabytes(std::int64_t bytes) { return fmt::format("{} MB", bytes / 1'000'000); }

std::string egress_text(const v1::LeasePlaced& placed) {
  if (placed.egress_bytes_max() == 0) return "";
  return fmt::format(", sends at most {} at {}/GB", megabytes(placed.egress_bytes_max()),
                     format_money(Micros(placed.egress_gb_micros())));
}

}  // namespace

std::string Scenario::text_of(const v1::Refused& refused) const {
  std::string text = fmt::format("refused {}", v1::Refusal_Name(refused.code()));
  if (!refused.field().empty()) text += " " + refused.field();
  if (refused.column() != 0) text += fmt::format(" column {}", refused.column());
  text += ": " + refused.message();
  for (const v1::Relaxation& relaxation : refused.relaxations()) {
    text +=
        fmt::format("\n    {} -> {}/h", relaxation.change(), money(relaxation.task_hour_micros()));
  }
  if (refused.has_next_quote()) {
    text += fmt::format("\n    next best: {}/h a task, {} in all",
                        money(refused.next_quote().task_hour_micros()),
                        money(refused.next_quote().total_micros()));
  }
  return text;
}

std::string Scenario::text_of(const v1::Event& event) {
  switch (event.kind_case()) {
    case v1::Event::kRefused:
      return text_of(event.refused());
    case v1::Event::kRepeated:
      return fmt::format("repeated {}", name_of(event.repeated().entity()));
    case v1::Event::kFounded:
      return fmt::format("founded by {}", name_of(event.founded().operator_account()));
    case v1::Event::kPolicySet:
      return "policy set";
    case v1::Event::kAccountOpened:
      return fmt::format("account {}", name_of(event.account_opened().account()));
    case v1::Event::kKeyAdded:
    case v1::Event::kKeyRevoked:
    case v1::Event::kWebhookSet:
    case v1::Event::kWebhookRemoved:
    case v1::Event::kWebhookStopped:
    case v1::Event::kMemberSet:
      return text_of_people(event);
    case v1::Event::kTransferred: {
      const v1::Transferred& moved = event.transferred();
      return fmt::format("{} {}.{} -> {}.{} {}{}", lower(v1::TransferReason_Name(moved.reason())),
                         name_of(moved.from_account()),
                         lower(v1::LedgerKind_Name(moved.from_kind())), name_of(moved.to_account()),
                         lower(v1::LedgerKind_Name(moved.to_kind())), money(moved.amount_micros()),
                         moved.lease() == 0 ? "" : " for " + name_of(moved.lease()));
    }
    case v1::Event::kPayoutRequested:
      bind(fmt::format("P{}", ++payouts_), event.payout_requested().payout());
      return fmt::format("payout {} of {} to {}", name_of(event.payout_requested().payout()),
                         money(event.payout_requested().amount_micros()),
                         event.payout_requested().destination());
    case v1::Event::kPayoutSettled:
      return fmt::format("payout {} {}", name_of(event.payout_settled().payout()),
                         event.payout_settled().paid() ? "paid" : "came back");
    case v1::Event::kDepositReversed:
      return fmt::format("deposit of {} by {} reversed, owed {}",
                         money(event.deposit_reversed().amount_micros()),
                         name_of(event.deposit_reversed().account()),
                         money(event.deposit_reversed().owed_micros()));
    case v1::Event::kBudgetSet:
      return fmt::format("budget of {}{}", name_of(event.budget_set().account()),
                         event.budget_set().project().empty()
                             ? ""
                             : fmt::format("'s project {}", event.budget_set().project()));
    case v1::Event::kJoinTokenCreated:
      return fmt::format("join token of {}", name_of(event.join_token_created().account()));
    case v1::Event::kNodeJoined:
      return fmt::format("node {} of {}", name_of(event.node_joined().node()),
                         name_of(event.node_joined().account()));
    case v1::Event::kNodeChanged:
      return fmt::format("node {} {}, {}", name_of(event.node_changed().node()),
                         event.node_changed().connected() ? "connected" : "not connected",
                         lower(v1::OwnerState_Name(event.node_changed().owner())));
    case v1::Event::kProofStarted:
      return fmt::format("{} is to prove its devices{}", name_of(event.proof_started().node()),
                         event.proof_started().lease() == 0
                             ? ""
                             : " before " + name_of(event.proof_started().lease()) + " begins");
    case v1::Event::kDeviceChecked: {
      const v1::DeviceChecked& checked = event.device_checked();
      return fmt::format(
          "device {} of {}{}: {}{} -> {}{}{}", checked.device(), name_of(checked.node()),
          checked.lease() == 0 ? "" : " in " + name_of(checked.lease()),
          lower(v1::ProofOutcome_Name(checked.outcome())), checked.excused() ? ", excused" : "",
          lower(v1::ProofState_Name(checked.state().state())),
          checked.state().misses() > 0 ? fmt::format(", {} missed", checked.state().misses()) : "",
          checked.state().detail().empty() ? "" : " (" + checked.state().detail() + ")");
    }
    case v1::Event::kNodeRemoved:
      return fmt::format("node {} removed", name_of(event.node_removed().node()));
    case v1::Event::kOfferChanged:
      return fmt::format("offer of {}{}", name_of(event.offer_changed().node()),
                         event.offer_changed().withdrawn() ? " withdrawn" : "");
    case v1::Event::kOrderAccepted:
      return fmt::format("order {} of {}, budget {}", name_of(event.order_accepted().order()),
                         name_of(event.order_accepted().account()),
                         money(event.order_accepted().budget_micros()));
    case v1::Event::kTaskChanged: {
      const v1::TaskChanged& task = event.task_changed();
      if (task.lease() != 0 && !names_.contains(task.lease())) {
        bind(fmt::format("L{}", ++leases_), task.lease());
      }
      return fmt::format(
          "task {}/{} {}{}{}", name_of(task.order()), task.task(),
          lower(v1::TaskState_Name(task.state())),
          task.lease() == 0
              ? ""
              : fmt::format(", {} is attempt {}", name_of(task.lease()), task.attempt()),
          task.retry_at_us() == 0
              ? ""
              : fmt::format(", again in {}", span_text(Time{task.retry_at_us()} - machine_.now())));
    }
    case v1::Event::kOrderExtended: {
      const v1::OrderExtended& extended = event.order_extended();
      return fmt::format("order {} extended by {} to {}, {} beside, budget {}",
                         name_of(extended.order()), span_text(Duration(extended.more_us())),
                         span_text(Duration(extended.duration_us())),
                         money(extended.added_micros()), money(extended.budget_micros()));
    }
    case v1::Event::kLeaseExtended:
      return fmt::format("lease {} pays for {}, hold {}", name_of(event.lease_extended().lease()),
                         span_text(Duration(event.lease_extended().time_us_max())),
                         money(event.lease_extended().hold_micros()));
    case v1::Event::kOrderEnded:
      return fmt::format("order {} {}, charged {}", name_of(event.order_ended().order()),
                         lower(v1::OrderState_Name(event.order_ended().state())),
                         money(event.order_ended().charged_micros()));
    case v1::Event::kLeasePlaced:
      return fmt::format("lease {} on {} at {}/h, hold {}{}", name_of(event.lease_placed().lease()),
                         name_of(event.lease_placed().node()),
                         money(event.lease_placed().rate_hour_micros()),
                         money(event.lease_placed().hold_micros()),
                         (event.lease_placed().slow_basis_points() == 0
                              ? ""
                              : fmt::format(", {:.2f} % slower than verified",
                                            event.lease_placed().slow_basis_points() / 100.0)) +
                             egress_text(event.lease_placed()));
    case v1::Event::kLeaseChanged:
      return fmt::format("lease {} {}", name_of(event.lease_changed().lease()),
                         lower(v1::LeaseState_Name(event.lease_changed().state())));
    case v1::Event::kCheckpointTaken: {
      const v1::CheckpointTaken& taken = event.checkpoint_taken();
      return fmt::format(
          "checkpoint of {}/{} is {}, #{} of {}{}", name_of(taken.order()), taken.task(),
          checkpoint_name(taken.manifest()), taken.sequence(), name_of(taken.lease()),
          taken.former().empty() ? "" : ", no longer " + checkpoint_name(taken.former()));
    }
    case v1::Event::kMeterAccepted:
      return fmt::format(
          "meter {} #{} {}{}{}, charged {}{}", name_of(event.meter_accepted().record().lease()),
          event.meter_accepted().record().sequence(),
          span_text(Duration(event.meter_accepted().proven_us())),
          event.meter_accepted().record().slowed_us() == 0
              ? ""
              : ", slowed " + span_text(Duration(event.meter_accepted().record().slowed_us())),
          event.meter_accepted().record().egress_bytes() == 0
              ? ""
              : ", sent " + megabytes(event.meter_accepted().record().egress_bytes()),
          money(event.meter_accepted().charged_micros()),
          event.meter_accepted().rate_hour_micros() == 0
              ? ""
              : fmt::format(" at {}/h", money(event.meter_accepted().rate_hour_micros())));
    case v1::Event::kLeaseCredited:
      return fmt::format("credited {} {}: slowed {} of {}", name_of(event.lease_credited().lease()),
                         money(event.lease_credited().credited_micros()),
                         span_text(Duration(event.lease_credited().slowed_us())),
                         span_text(Duration(event.lease_credited().proven_us())));
    case v1::Event::kLeaseEnded: {
      const v1::LeaseEnded& end = event.lease_ended();
      return fmt::format("lease {} ended {} ({}), proven {}, charged {}{}, refunded {}, fee {}",
                         name_of(end.lease()), lower(v1::EndReason_Name(end.reason())),
                         lower(v1::Blame_Name(end.blame())), span_text(Duration(end.proven_us())),
                         money(end.charged_micros()),
                         end.rerated_hour_micros() == 0
                             ? ""
                             : fmt::format(" at {}/h", money(end.rerated_hour_micros())),
                         money(end.refunded_micros()), money(end.fee_micros())) +
             (end.egress_bytes() == 0
                  ? ""
                  : fmt::format(", sent {} for {}", megabytes(end.egress_bytes()),
                                money(end.egress_micros()))) +
             wait_text(end);
    }
    case v1::Event::kResumed:
      return "resumed";
    case v1::Event::kPriceMoved: {
      const v1::PriceMoved& moved = event.price_moved();
      return fmt::format(
          "price of {} in {} from {}/h to {}/h: use {:.2f} %, {} of {} devices leased"
          "{}{}",
          moved.model(), moved.region(), money(moved.open_micros()), money(moved.close_micros()),
          moved.use_basis_points() / 100.0, static_cast<double>(moved.traded_thousandths()) / 1e3,
          static_cast<double>(moved.offered_thousandths()) / 1e3,
          moved.trades() == 0
              ? ""
              : fmt::format(" at {} to {}", money(moved.low_micros()), money(moved.high_micros())),
          moved.expected_use_basis_points() == 0
              ? ""
              : fmt::format(", {:.2f} % expected", moved.expected_use_basis_points() / 100.0));
    }
    case v1::Event::kSpotPriced: {
      const v1::SpotPriced& priced = event.spot_priced();
      return fmt::format("spot of {} in {} at {}/h for {} leases{}", priced.model(),
                         priced.region(), money(priced.price_micros()), priced.leases(),
                         priced.losing_micros() == 0
                             ? ""
                             : fmt::format(", {} lost", money(priced.losing_micros())));
    }
    case v1::Event::kSpeedSet: {
      std::string workload = v1::WorkloadClass_Name(event.speed_set().workload_class());
      for (char& c : workload) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
      return fmt::format("speed of {} at {} is {} thousandths", event.speed_set().model(), workload,
                         event.speed_set().speed_thousandths());
    }
    case v1::Event::kSurvivalSet:
      return fmt::format("survival of {} nodes", event.survival_set().nodes());
    case v1::Event::kForecastSet:
      return fmt::format("forecast of {} classes", event.forecast_set().classes());
    case v1::Event::KIND_NOT_SET:
      break;
  }
  return "an event of no kind";
}

std::string Scenario::ledger_text() const {
  std::string text;
  Micros sum;
  machine_.ledger().visit([&](core::LedgerKey key, Micros balance) {
    sum += balance;
    text += fmt::format("  {:<10} {:<10} {:>14}\n", name_of(key.account.value),
                        lower(v1::LedgerKind_Name(key.kind)), format_money(balance));
  });
  return text + fmt::format("  {:<21} {:>14}\n", "sum", format_money(sum));
}

std::string Scenario::book_text() const {
  std::string text;
  machine_.visit_nodes(NodeId(0), [&](const core::Node& node) {
    std::string free;
    for (const core::NodeDevice& device : node.devices) {
      free += fmt::format(" {}", device.free_thousandths);
    }
    text += fmt::format(
        "  {:<8} {} {}, {}, free{}, revision {}\n", name_of(node.id.value),
        node.offer.id.value == 0 ? "not offered" : format_money(node.offer.device_hour) + "/h",
        node.removed     ? "removed"
        : node.connected ? "connected"
                         : "not connected",
        lower(v1::OwnerState_Name(node.owner)), free, node.desired_revision);
    return true;
  });
  return text;
}

std::string Scenario::waits_text(const core::Order& order) const {
  const auto waits = machine_.waits_for(order);
  if (!waits || waits->reason == v1::WAITS_FOR_NODE) return {};
  if (waits->reason == v1::WAITS_TO_RETRY) {
    return ", tried again in " + span_text(waits->retry_at - machine_.now());
  }
  return fmt::format(", waits for the price: {} is free, {} may be paid",
                     format_money(waits->rate_hour_free), format_money(waits->rate_hour_max));
}

std::string Scenario::orders_text() const {
  std::string text;
  machine_.visit_orders_newest(OrderId(0), [&](const core::Order& order) {
    text += fmt::format(
        "  {:<8} {}, budget {}, held {}, charged {}, waiting {} leased {} done {} failed {} "
        "stopped {} rescued {}{}\n",
        name_of(order.id.value), lower(v1::OrderState_Name(order.state)),
        format_money(order.budget), format_money(order.held), format_money(order.charged),
        order.waiting, order.leased, order.done, order.failed, order.stopped, order.rescued,
        waits_text(order));
    return true;
  });
  return text;
}

std::string Scenario::leases_text() const {
  std::string text;
  machine_.visit_leases_newest(LeaseId(0), [&](const core::Lease& lease) {
    text += fmt::format(
        "  {:<4} task {} on {} {}{}, hold {}, charged {}, refunded {}{}\n", name_of(lease.id.value),
        lease.task, name_of(lease.node.value), lower(v1::LeaseState_Name(lease.state)),
        lease.state == v1::ENDED ? " " + lower(v1::EndReason_Name(lease.reason))
                                 : ", pays for " + span_text(lease.time_max),
        format_money(lease.hold), format_money(lease.charged), format_money(lease.refunded),
        (lease.checkpoint.empty() ? "" : ", checkpoint " + checkpoint_name(lease.checkpoint)) +
            (lease.detail.empty() ? "" : ": " + lease.detail));
    return true;
  });
  return text;
}

}  // namespace fallow::scenario
