#include "core/extension.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/money.h"
#include "core/authority.h"
#include "core/blame.h"
#include "core/funds.h"
#include "core/handlers.h"
#include "core/leases.h"
#include "core/meter.h"
#include "core/orders.h"
#include "core/placement.h"
#include "core/relaxation.h"
#include "core/reservation.h"
#include "core/run_mode.h"
#include "core/turns.h"

namespace fallow::core {
namespace {

// Less is not worth a word.
constexpr Duration kLongerMin = seconds(1);

// The least that may be asked for.
Duration longer_min(const v1::Policy& policy) {
  return policy.firm_turns() ? kLongerMin : Duration(1);
}

// The longest that everything looked at so far allows, and what allows no more.
class Longest {
 public:
  explicit Longest(Duration asked) : asked_(asked) {}
  Duration time() const { return time_; }
  bool refuses() const { return asked_ > time_; }
  Refusal take_why() { return std::move(why_); }

  // `why` makes the refusal; only where this is the narrowest limit so far, and what is asked for
  // passes it.
  template <class Why>
  void limit(Duration most, const Why& why) {
    if (most >= time_) return;
    time_ = most;
    if (refuses()) why_ = why();
  }

 private:
  const Duration asked_;
  Duration time_ = kTimeUnbounded;
  Refusal why_;
};

// Its lease, when that is open and nothing ends it.
const Lease* running_lease(const MarketState& state, const Task& task) {
  if (task.state != v1::LEASED) return nullptr;
  const Lease* const lease = state.leases.find(task.lease);
  return lease->state == v1::STOPPING ? nullptr : lease;
}

// Of gangs all members: one that is tried again is so with those of its tasks that were done.
std::uint32_t tasks_that_go_on(const MarketState& state, const Order& order) {
  const std::uint32_t nodes = nodes_of(order.requirements);
  std::uint32_t count = 0;
  for (auto first = order.tasks.begin(); first != order.tasks.end(); first += nodes) {
    const bool any =
        std::any_of(first, first + nodes, [&](const Task& task) { return may_go_on(state, task); });
    if (any) count += nodes;
  }
  return count;
}

// The most that an hour of a task costs. An order that was priced at nothing is capped at a micro,
// because 0 would be no cap: it costs what it does.
Micros bound_hour(const MarketState& state, const Order& order) {
  Micros hour =
      order.budget.value > 0 || order.rate_hour_max > Micros(1) ? order.rate_hour_max : Micros(0);
  for (const Task& task : order.tasks) {
    if (const Lease* const lease = running_lease(state, task)) {
      hour = std::max(hour, lease->rate_hour);
    }
  }
  return hour;
}

// By how many leases one command may extend.
std::optional<Refusal> check_leases(const MarketState& state, const Order& order) {
  const std::size_t most = state.limits.extensions_per_command_max;
  if (!state.policy.firm_turns() || order.leased <= most) return std::nullopt;
  const auto running = std::count_if(order.tasks.begin(), order.tasks.end(), [&](const Task& task) {
    return running_lease(state, task) != nullptr;
  });
  if (static_cast<std::size_t>(running) <= most) return std::nullopt;
  return refusal(v1::LIMIT_REACHED, "order",
                 "{} tasks of order {} run, and at most {} can be given more time at once: ask "
                 "again when fewer run, or order anew what is left, in parts of at most {} tasks",
                 running, order.id.value, most, most);
}

void limit_by_deadline(const MarketState& state, const Order& order, Longest& longest) {
  if (!has_deadline(order)) return;
  for (const Task& task : order.tasks) {
    if (!may_go_on(state, task)) continue;
    Duration work_left = remaining_time(order, task);
    if (task.state == v1::LEASED) work_left -= charged_time(*state.leases.find(task.lease));
    longest.limit(order.deadline - state.now - order.restart - work_left, [] {
      return refusal(v1::VALUE_INVALID, "more_us", "the order's deadline would be too soon");
    });
  }
}

void limit_by_nodes(const MarketState& state, const Order& order, Longest& longest) {
  const Duration present(order.requirements.duration_us());
  for (const Task& task : order.tasks) {
    const Lease* const lease = running_lease(state, task);
    if (lease == nullptr) continue;
    const Node& node = *state.nodes.find(lease->node);
    const auto says = [&](const char* what) {
      return [&node, what] {
        return refusal(v1::NO_MATCH, "more_us", "node {}, where a task runs, {}", node.id.value,
                       what);
      };
    };
    if (!is_offered(node)) longest.limit(Duration(0), says("is not offered any more"));
    if (node.owner == v1::OWNER_PAUSED) {
      longest.limit(Duration(0), says("was paused by its owner: its leases run out"));
    }
    if (node.offer.duration_max.value > 0) {
      longest.limit(node.offer.duration_max - present, says("is offered for shorter tasks only"));
    }
  }
  longest.limit(longer_beside_reservation(state, order), [] {
    return refusal(v1::NO_MATCH, "more_us",
                   "a larger order waits for the place of a task and has it next");
  });
}

// Of what waits: as long as some offer would take it, to the minute. Where none takes it as it is,
// more time changes nothing.
void limit_by_offers(const MarketState& state, const Order& order, Duration more,
                     Longest& longest) {
  more = std::min(more, longest.time());
  if (order.waiting == 0 || more.value <= 0) return;
  Demand demand = order.demand;
  demand.quoted_at = state.now < order.quote_until ? order.quoted_at : Time{};
  demand.at_floor = true;
  const auto possible = [&](Duration longer) {
    demand.requirements.set_duration_us(order.requirements.duration_us() + longer.value);
    return state.book->possible(demand);
  };
  if (possible(more) || !possible(Duration(0))) return;
  std::int64_t most = 0;
  std::int64_t too_many = more.value / minutes(1).value + 1;
  while (too_many - most > 1) {
    const std::int64_t middle = most + (too_many - most) / 2;
    (possible(minutes(middle)) ? most : too_many) = middle;
  }
  longest.limit(minutes(most), [] {
    return refusal(v1::NO_MATCH, "more_us", "no offer takes the tasks that wait for so long");
  });
}

// What so much more of the tasks costs: of each rounded up, so that no part of it is short.
Wide extension_cost(const Extension& extension, Duration more) {
  const Wide product = Wide{extension.task_hour.value} * more.value;
  return (product + kHour.value - 1) / kHour.value * extension.tasks;
}

void limit_by_funds(const MarketState& state, const Order& order, const Extension& extension,
                    Duration more, Longest& longest) {
  if (extension.task_hour.value == 0) return;
  const Account& account = *state.accounts.find(order.account);
  const Micros countable = state.limits.money_max - order.budget;
  const Micros left = std::min(funds_left(state, account, order.project), countable);
  longest.limit(time_for(Micros(left.value / extension.tasks), extension.task_hour), [&] {
    if (left == countable) {
      return refusal(v1::VALUE_INVALID, "more_us", "the order would cost more than {} in all",
                     format_money(state.limits.money_max));
    }
    const auto cost = static_cast<std::int64_t>(
        std::min<Wide>(extension_cost(extension, more), state.limits.money_max.value));
    return *check_funds(state, account, order.project, Micros(cost), "more time for the order",
                        "more_us");
  });
}

// The narrowest limit's refusal, with the longest that can be had.
Refusal refused_extension(const Order& order, Micros task_hour, Longest& longest) {
  Refusal why = longest.take_why();
  if (longest.time() < kLongerMin) {
    why.message += "; it can have no more time now";
    return why;
  }
  why.relaxations.push_back(
      relaxation_of(Change::kDuration, order.requirements, longest.time().value, task_hour));
  return why;
}

}  // namespace

tl::expected<Extension, Refusal> extension_of(const MarketState& state, const Order& order,
                                              Duration more) {
  if (more.value <= 0) {
    return tl::unexpected(refusal(v1::VALUE_INVALID, "more_us", "say how much more time: above 0"));
  }
  if (more < longer_min(state.policy)) {
    return tl::unexpected(refusal(v1::VALUE_INVALID, "more_us",
                                  "{} us more are too little: ask for a second at least",
                                  more.value));
  }
  if (order.state != v1::OPEN) {
    return tl::unexpected(
        refusal(v1::ALREADY_ENDED, "order", "order {} has ended already", order.id.value));
  }
  Extension extension;
  if (!order.stop_asked) extension.tasks = tasks_that_go_on(state, order);
  if (extension.tasks == 0) {
    return tl::unexpected(refusal(v1::ALREADY_ENDED, "order",
                                  "every task of order {} is over or stops already: order anew",
                                  order.id.value));
  }
  if (auto why = check_leases(state, order)) return tl::unexpected(std::move(*why));
  extension.task_hour = bound_hour(state, order);
  Longest longest(more);
  longest.limit(state.limits.duration_max - Duration(order.requirements.duration_us()), [&] {
    return refusal(v1::VALUE_INVALID, "more_us", "a task may take {} hours in all",
                   state.limits.duration_max.value / kHour.value);
  });
  limit_by_deadline(state, order, longest);
  limit_by_nodes(state, order, longest);
  limit_by_offers(state, order, more, longest);
  limit_by_funds(state, order, extension, more, longest);
  if (longest.refuses()) {
    return tl::unexpected(refused_extension(order, extension.task_hour, longest));
  }
  extension.cost = Micros(static_cast<std::int64_t>(extension_cost(extension, more)));
  return extension;
}

void handle(Step& step, const v1::ExtendOrder& command) {
  MarketState& state = step.state;
  Order* const order = state.orders.find(OrderId(command.order()));
  if (order == nullptr) {
    return step.refuse(v1::NOT_FOUND, "order", "no order {} exists", command.order());
  }
  if (acting_for(step, order->account, v1::RENTER) == nullptr) return;
  const Duration more(command.more_us());
  auto extension = extension_of(state, *order, more);
  if (!extension) return step.refuse(std::move(extension).error());
  step.entity = order->id.value;
  order->requirements.set_duration_us(order->requirements.duration_us() + more.value);
  v1::OrderExtended& told = *step.tell().mutable_order_extended();
  told.set_order(order->id.value);
  told.set_account(order->account.value);
  told.set_more_us(more.value);
  told.set_duration_us(order->requirements.duration_us());
  told.set_added_micros(extension->cost.value);
  told.set_budget_micros((order->budget + extension->cost).value);
  hold_funds(step, *order, extension->cost);
  for (const Task& task : order->tasks) {
    if (running_lease(state, task) != nullptr) {
      extend_lease(step, *state.leases.find(task.lease), more);
    }
  }
  ask_longer(state, *order);
}

}  // namespace fallow::core
