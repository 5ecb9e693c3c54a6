#include "core/machine.h"

#include <algorithm>

#include "base/check.h"
#include "core/checks.h"
#include "core/deadlines.h"
#include "core/handlers.h"
#include "core/market_state.h"
#include "core/meter.h"
#include "core/orders.h"
#include "core/requirements.h"
#include "core/schedule.h"
#include "core/spending.h"
#include "core/step.h"

namespace fallow::core {
namespace {

constexpr std::size_t kFingerprintBytes = 8;

// The idempotency key of a command, taken apart.
struct Request {
  ShortHash key{};
  std::uint64_t fingerprint = 0;
};

// None: the command has no key. Refuses one that is none.
std::optional<Request> request_of(Step& step, const v1::Command& command) {
  if (command.request_key().empty()) return std::nullopt;
  Request request;
  if (command.request_key().size() != request.key.size() ||
      command.request_fingerprint().size() != kFingerprintBytes) {
    step.refuse(v1::VALUE_INVALID, "request_key",
                "a request key has {} bytes and its fingerprint {}", request.key.size(),
                kFingerprintBytes);
    return std::nullopt;
  }
  std::copy(command.request_key().begin(), command.request_key().end(), request.key.begin());
  for (const char byte : command.request_fingerprint()) {
    request.fingerprint = request.fingerprint << 8U | static_cast<unsigned char>(byte);
  }
  return request;
}

// Whether the request is new; else tells what it made before, or that the key is taken.
bool is_new(Step& step, const Request& request) {
  const auto seen = step.state.answers.find(request.key);
  if (seen == step.state.answers.end()) return true;
  const Answered& answered = seen->second;
  if (answered.fingerprint == request.fingerprint) {
    step.repeat(answered.index, answered.entity);
  } else {
    step.refuse(v1::KEY_REUSED, "request_key",
                "this idempotency key was used for another request by command {}",
                answered.index.value);
  }
  return false;
}

void remember(Step& step, const Request& request) {
  MarketState& state = step.state;
  if (state.limits.request_keys_kept_max == 0) return;
  if (state.requests.size() >= state.limits.request_keys_kept_max) {
    state.answers.erase(state.requests.front());
    state.requests.pop_front();
  }
  state.requests.push_back(request.key);
  state.answers.emplace(request.key, Answered{request.fingerprint, step.index, step.entity});
}

void dispatch(Step& step, const v1::Command& command) {
  switch (command.kind_case()) {
    case v1::Command::kFound:
      return handle(step, command.found());
    case v1::Command::kSetPolicy:
      return handle(step, command.set_policy());
    case v1::Command::kOpenAccount:
      return handle(step, command.open_account());
    case v1::Command::kAddKey:
      return handle(step, command.add_key());
    case v1::Command::kRevokeKey:
      return handle(step, command.revoke_key());
    case v1::Command::kDeposit:
      return handle(step, command.deposit());
    case v1::Command::kReverseDeposit:
      return handle(step, command.reverse_deposit());
    case v1::Command::kWithdraw:
      return handle(step, command.withdraw());
    case v1::Command::kSettlePayout:
      return handle(step, command.settle_payout());
    case v1::Command::kSetBudget:
      return handle(step, command.set_budget());
    case v1::Command::kSetProject:
      return handle(step, command.set_project());
    case v1::Command::kSetSpeed:
      return handle(step, command.set_speed());
    case v1::Command::kSetForecast:
      return handle(step, command.set_forecast());
    case v1::Command::kSetSurvival:
      return handle(step, command.set_survival());
    case v1::Command::kSetWebhook:
      return handle(step, command.set_webhook());
    case v1::Command::kRemoveWebhook:
      return handle(step, command.remove_webhook());
    case v1::Command::kStopWebhook:
      return handle(step, command.stop_webhook());
    case v1::Command::kSetMember:
      return handle(step, command.set_member());
    case v1::Command::kJoinTeam:
      return handle(step, command.join_team());
    case v1::Command::kCreateJoinToken:
      return handle(step, command.create_join_token());
    case v1::Command::kJoinNode:
      return handle(step, command.join_node());
    case v1::Command::kReportNode:
      return handle(step, command.report_node());
    case v1::Command::kSetNodeLink:
      return handle(step, command.set_node_link());
    case v1::Command::kRemoveNode:
      return handle(step, command.remove_node());
    case v1::Command::kSetOffer:
      return handle(step, command.set_offer());
    case v1::Command::kWithdrawOffer:
      return handle(step, command.withdraw_offer());
    case v1::Command::kSubmitOrder:
      return handle(step, command.submit_order());
    case v1::Command::kStopOrder:
      return handle(step, command.stop_order());
    case v1::Command::kStopLease:
      return handle(step, command.stop_lease());
    case v1::Command::kExtendOrder:
      return handle(step, command.extend_order());
    case v1::Command::kObserve:
      return handle(step, command.observe());
    case v1::Command::kTick:
      return handle(step, command.tick());
    case v1::Command::kResume:
      return handle(step, command.resume());
    case v1::Command::kStartProof:
      return handle(step, command.start_proof());
    case v1::Command::kFinishProof:
      return handle(step, command.finish_proof());
    case v1::Command::KIND_NOT_SET:
      break;
  }
  step.refuse(v1::VALUE_INVALID, "kind", "the command is of no kind that this market knows");
}

void carry_out(Step& step, const v1::Command& command) {
  if (!step.state.founded && command.kind_case() != v1::Command::kFound) {
    return step.refuse(v1::NOT_ALLOWED, "", "the market is not founded yet");
  }
  const std::optional<Request> request = request_of(step, command);
  if (step.unchanged) return;
  if (request && !is_new(step, *request)) return;
  dispatch(step, command);
  if (step.unchanged) return;
  schedule(step);
  forget_old_orders(step.state);
  if (request) remember(step, *request);
}

}  // namespace

MarketState::MarketState(const Limits& given)
    : limits(given),
      places_missed(given.misses_kept_max),
      rooms_missed(given.misses_kept_max),
      indexes(given.price_classes_max),
      book(make_book(scoring)) {
  FALLOW_CHECK(limits.placements_per_command_max > 0 && limits.matches_per_command_max > 0 &&
                   limits.tests_per_command_max > 0 && limits.deadlines_per_command_max > 0 &&
                   limits.stops_per_command_max > 0,
               "a market that does nothing per command never ends");
  FALLOW_CHECK(limits.placements_per_command_max < kIdsPerCommand,
               "a command cannot place {} leases", limits.placements_per_command_max);
}

Machine::Machine(const Limits& limits) : state_(std::make_unique<MarketState>(limits)) {}
Machine::~Machine() = default;

void Machine::apply(LogIndex index, Time now, const v1::Command& command, Events& out) {
  MarketState& state = *state_;
  FALLOW_CHECK(index.value == state.last_index.value + 1 && index < kIndexMax,
               "command {} came after command {}", index.value, state.last_index.value);
  FALLOW_CHECK(now.us > 0 && now >= state.now && now < kTimeMax,
               "command {} is of {} us, after one of {} us", index.value, now.us, state.now.us);
  state.last_index = index;
  state.now = now;
  state.scoring.now = now;
  Step step{state, index, now, AccountId(command.actor()), out};
  carry_out(step, command);
}

std::optional<Time> Machine::next_deadline() const { return core::next_deadline(*state_); }

tl::expected<Estimate, Refusal> Machine::estimate(const v1::Requirements& requirements,
                                                  std::uint32_t tasks, Time now,
                                                  AccountId renter) const {
  if (!state_->founded) {
    return tl::unexpected(refusal(v1::NOT_ALLOWED, "", "the market is not founded yet"));
  }
  if (auto why = check_tasks(tasks, requirements, state_->limits))
    return tl::unexpected(std::move(*why));
  auto demand = demand_of(understood(requirements), state_->limits);
  if (!demand) return tl::unexpected(std::move(demand).error());
  auto estimate = estimate_of(*state_, *demand, tasks, now);
  const Account* const account = state_->accounts.find(renter);
  if (estimate && account != nullptr) {
    estimate->let_off_hour = fee_of(
        estimate->fee_hour, volume_basis_points(state_->policy, spent_lately(*account, now)));
  }
  return estimate;
}

tl::expected<Extension, Refusal> Machine::extension(const Order& order, Duration more) const {
  return extension_of(*state_, order, more);
}

}  // namespace fallow::core
