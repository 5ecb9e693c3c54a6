// SubmitOrder: everything that must be true before money is held.
#include <algorithm>

#include "base/money.h"
#include "core/authority.h"
#include "core/checks.h"
#include "core/funds.h"
#include "core/handlers.h"
#include "core/orders.h"
#include "core/pricing.h"
#include "core/requirements.h"
#include "core/reservation.h"
#include "core/run_mode.h"
#include "core/secret_names.h"
#include "core/turns.h"

namespace fallow::core {
namespace {

bool has_nul(std::string_view text) { return text.find('\0') != std::string_view::npos; }

std::optional<Refusal> check_workload(const v1::Workload& workload, const Limits& limits) {
  std::size_t bytes = workload.image().size();
  if (has_nul(workload.image())) {
    return refusal(v1::VALUE_INVALID, "workload.image", "the image's name holds a NUL");
  }
  for (const std::string& word : workload.command()) {
    bytes += word.size() + 1;
    if (has_nul(word)) {
      return refusal(v1::VALUE_INVALID, "workload.command", "a word of the command holds a NUL");
    }
  }
  for (const v1::EnvironmentVariable& variable : workload.environment()) {
    bytes += variable.name().size() + variable.value().size() + 2;
    if (variable.name().empty() || variable.name().find('=') != std::string::npos ||
        has_nul(variable.name()) || has_nul(variable.value())) {
      return refusal(v1::VALUE_INVALID, "workload.environment",
                     "a variable needs a name without '=' or NUL, and a value without NUL");
    }
  }
  if (auto why = check_secrets(workload)) return why;
  if (bytes > limits.command_bytes_max) {
    return refusal(v1::VALUE_INVALID, "workload",
                   "command and environment have {} bytes: at most {} are accepted", bytes,
                   limits.command_bytes_max);
  }
  if (workload.image().empty() && workload.command().empty()) {
    return refusal(v1::VALUE_INVALID, "workload.command",
                   "nothing is to run: name a command or an image");
  }
  if (!workload.input_manifest().empty()) {
    return check_hash("workload.input_manifest", workload.input_manifest());
  }
  return std::nullopt;
}

std::optional<Refusal> check_order(const v1::SubmitOrder& command, const Limits& limits) {
  if (command.name().size() > limits.name_bytes_max) {
    return refusal(v1::VALUE_INVALID, "name", "the name is longer than {} bytes",
                   limits.name_bytes_max);
  }
  if (auto why = check_tasks(command.tasks(), command.requirements(), limits)) return why;
  if (auto why = check_workload(command.workload(), limits)) return why;
  return check_money("budget_micros_max", command.budget_micros_max(), true, limits);
}

// The quote was authenticated before; here it is held against the order and the time.
std::optional<Refusal> check_quote(const v1::SubmitOrder& command,
                                   const v1::Requirements& requirements, const Limits& limits,
                                   Time now) {
  const v1::BoundQuote& quote = command.quote();
  if (auto why = check_money("quote.task_hour_micros", quote.task_hour_micros(), true, limits)) {
    return why;
  }
  if (auto why = check_money("quote.total_micros", quote.total_micros(), true, limits)) return why;
  if (quote.egress_gb_micros() < 0 || quote.egress_gb_micros() > limits.price_hour_max.value) {
    return refusal(v1::VALUE_INVALID, "quote.egress_gb_micros",
                   "the quote's price for what is sent cannot be");
  }
  if (quote.issued_at_us() <= 0 || quote.issued_at_us() > now.us) {
    return refusal(v1::VALUE_INVALID, "quote.issued_at_us", "the quote is not of the past");
  }
  if (quote.tasks() != command.tasks() || !same(quote.requirements(), requirements)) {
    return refusal(v1::VALUE_INVALID, "quote",
                   "the quote is for other requirements or another number of tasks");
  }
  return std::nullopt;
}

// What the same order is quoted at now, without the quote that is gone: something that it could
// really have.
std::optional<v1::BoundQuote> next_quote(const MarketState& state, const v1::SubmitOrder& command,
                                         const v1::Requirements& requirements, Time now) {
  const auto demand = demand_of(requirements, state.limits);
  if (!demand) return std::nullopt;
  auto estimate = estimate_of(state, *demand, command.tasks(), now);
  if (!estimate || (!command.wait() && estimate->tasks_at_once == 0)) return std::nullopt;
  return std::move(estimate->quote);
}

std::optional<Refusal> check_room(const MarketState& state, const Account& account,
                                  const v1::SubmitOrder& command) {
  const Limits& limits = state.limits;
  if (account.orders_open >= limits.orders_open_per_account_max) {
    return refusal(v1::LIMIT_REACHED, "", "account {} has its most open orders, {}",
                   account.id.value, limits.orders_open_per_account_max);
  }
  if (state.orders_open >= limits.orders_open_max ||
      state.tasks_open + command.tasks() > limits.tasks_open_max) {
    return refusal(v1::LIMIT_REACHED, "",
                   "the market has its most open orders or tasks: try later");
  }
  if (state.policy.fair_turns() && state.workload_bytes_open + command.workload().ByteSizeLong() >
                                       limits.workload_bytes_open_max) {
    return refusal(v1::LIMIT_REACHED, "workload",
                   "the commands and environments of all open orders take the most that the market "
                   "keeps of them, {} bytes: try later, or with a shorter one",
                   limits.workload_bytes_open_max);
  }
  return std::nullopt;
}

// What one hour of a task, the whole order and 10^9 bytes of what it sends may cost.
struct Price {
  Micros task_hour_max;
  Micros total;
  Micros egress_gb;
};

// 0 would mean no cap: an order that was priced at nothing waits for what costs nothing.
Micros cap_of(Micros task_hour) { return std::max(task_hour, Micros(1)); }

bool could_start(const MarketState& state, Demand& demand) {
  return nodes_of(demand.requirements) > 1 ? !match_gang_around(state, demand, OrderId()).empty()
                                           : match_around(state, demand, OrderId()).has_value();
}

tl::expected<Price, Refusal> price_of_order(const MarketState& state,
                                            const v1::SubmitOrder& command, Demand& demand,
                                            Time now) {
  const bool quoted = command.has_quote();
  if (quoted && command.quote().expires_at_us() <= now.us) {
    return tl::unexpected(
        refusal(v1::QUOTE_GONE, "quote", "the quote has run out: ask for a new one"));
  }
  if (quoted) {
    demand.quoted_at = Time{command.quote().issued_at_us()};
    demand.rate_hour_max = cap_of(Micros(command.quote().task_hour_micros()));
    demand.egress_gb_max = Micros(command.quote().egress_gb_micros());
  }
  demand.at_floor = command.wait();  // to spot, prices fall again
  const bool matches = command.wait() ? state.book->possible(demand) : could_start(state, demand);
  demand.at_floor = false;
  if (!matches) return tl::unexpected(no_match(state, demand, quoted));
  if (quoted) {
    return Price{demand.rate_hour_max, Micros(command.quote().total_micros()),
                 demand.egress_gb_max};
  }
  auto estimate = estimate_of(state, demand, command.tasks(), now);
  if (!estimate) return tl::unexpected(std::move(estimate).error());
  return Price{cap_of(Micros(estimate->quote.task_hour_micros())),
               Micros(estimate->quote.total_micros()), Micros(estimate->quote.egress_gb_micros())};
}

}  // namespace

void handle(Step& step, const v1::SubmitOrder& command) {
  MarketState& state = step.state;
  if (auto why = check_order(command, state.limits)) return step.refuse(std::move(*why));
  const v1::Requirements requirements = understood(command.requirements());
  auto demand = demand_of(requirements, state.limits);
  if (!demand) return step.refuse(std::move(demand).error());
  if (auto why = check_deadline(command, requirements, state.limits)) {
    return step.refuse(std::move(*why));
  }
  if (command.has_quote()) {
    if (auto why = check_quote(command, requirements, state.limits, step.now)) {
      return step.refuse(std::move(*why));
    }
  }
  Account* const account = acting_for(step, AccountId(command.account()), v1::RENTER);
  if (account == nullptr) return;
  if (auto why = check_room(state, *account, command)) {
    return step.refuse(std::move(*why));
  }
  auto price = price_of_order(state, command, *demand, step.now);
  if (!price) {
    Refusal why = std::move(price).error();
    if (why.code == v1::QUOTE_GONE) {
      why.next_quote = next_quote(state, command, requirements, step.now);
    }
    return step.refuse(std::move(why));
  }
  const Micros given(command.budget_micros_max());
  const Micros budget = given.value > 0 ? std::min(given, price->total) : price->total;
  // Its discount is for the whole term: less money would have the discount for less time.
  if (requirements.tier() == v1::RESERVED && budget < price->total) {
    return step.refuse(
        refusal(v1::VALUE_INVALID, "budget_micros_max",
                "a reserved term is paid for as a whole: give a budget of at least {}",
                format_money(price->total)));
  }
  if (auto why = check_funds(state, *account, command.project(), budget, "the order",
                             "budget_micros_max")) {
    return step.refuse(std::move(*why));
  }

  const auto id = step.next_id<OrderId>();
  Order& order = state.orders.insert(id, Order{});
  order.id = id;
  order.account = account->id;
  order.name = command.name();
  order.project = command.project();
  order.requirements = requirements;
  order.workload = command.workload();
  order.created_at = step.now;
  if (command.has_quote()) {
    order.quoted_at = Time{command.quote().issued_at_us()};
    order.quote_until = Time{command.quote().expires_at_us()};
  }
  order.rate_hour_max = price->task_hour_max;
  order.egress_gb_max = price->egress_gb;
  if (command.deadline_after_us() > 0) {
    order.deadline = step.now + Duration(command.deadline_after_us());
    order.restart = Duration(command.restart_us());
  }
  order.attempts_max = command.attempts_max() == 0
                           ? state.policy.attempts_max()
                           : std::min(command.attempts_max(), state.policy.attempts_max());
  order.tasks.resize(command.tasks());
  order.waiting = command.tasks();
  order.demand = std::move(*demand);
  order.demand.rate_hour_max = order.rate_hour_max;
  order.demand.egress_gb_max = order.egress_gb_max;

  ++account->orders_open;
  ++state.orders_open;
  state.tasks_open += order.tasks.size();
  state.workload_bytes_open += workload_bytes(order);
  step.entity = id.value;
  v1::OrderAccepted& told = *step.tell().mutable_order_accepted();
  told.set_order(id.value);
  told.set_account(account->id.value);
  told.set_budget_micros(budget.value);
  hold_funds(step, order, budget);
  wait_for_match(state, order);
}

}  // namespace fallow::core
