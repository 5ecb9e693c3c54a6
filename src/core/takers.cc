#include "core/takers.h"

#include <algorithm>
#include <utility>

#include "core/orders.h"
#include "core/placement.h"

namespace fallow::core {

bool could_take(const MarketState& state, const Node& node, Order& order) {
  return tasks_that_fit(demand_now(state, order), node, 1) > 0;
}

bool gather_waiting(MarketState& state) {
  return state.waiting.gather(state.now,
                              [&](OrderId id) -> Order& { return *state.orders.find(id); });
}

Takers::Takers(MarketState& state, const Node& node)
    : state_(state),
      node_(node),
      filling_(state.waiting.next_filling()),
      raised_at_(node.offer.former.empty() ? Time{} : node.offer.former.back().raised_at) {
  models_.emplace_back();
  for (const NodeDevice& device : node.devices) {
    std::string model = canonical_word(device.facts.model());
    if (std::find(models_.begin(), models_.end(), model) == models_.end()) {
      models_.push_back(std::move(model));
    }
  }
}

std::optional<Turn> Takers::first(const Turn& from, std::size_t window) {
  const std::size_t end = state_.waiting.rank(from) + window;
  end_ = end < state_.waiting.size() ? std::optional(state_.waiting.at(end)) : std::nullopt;
  found_.reset();
  const bool grouped = window >= state_.limits.waiting_grouped_min && gather_waiting(state_);
  const std::size_t groups = grouped ? groups_count() : window;
  if (groups == 0) return found_;
  if (groups >= window) {
    ask_each(from, window);
    return found_;
  }
  // All groups are looked at for whoever is found, and who is found may not be placed: so many are
  // asked one by one first, that it never costs more than twice of asking all so.
  if (const auto next = ask_each(from, groups)) ask_groups(*next);
  return found_;
}

std::optional<Turn> Takers::ask_each(const Turn& from, std::size_t count) {
  std::optional<Turn> next = from;
  state_.waiting.visit(from, [&](const Turn& turn) {
    if (!is_near(turn) || take(turn)) {
      next.reset();
      return false;
    }
    next = behind(turn);
    return --count > 0;
  });
  return next;
}

bool Takers::take(const Turn& turn) {
  if (!could_take(state_, node_, order(turn.order))) return false;
  found_ = turn;
  return true;
}

std::size_t Takers::groups_count() const {
  std::size_t count = 0;
  for (const std::string& model : models_) count += state_.waiting.groups_naming(model).size();
  return count;
}

void Takers::ask_groups(const Turn& from) {
  for (const std::string& model : models_) {
    for (const auto& [key, group] : state_.waiting.groups_naming(model)) {
      const bool each = raised_at_ > group->quoted_from;
      ask_as_one(*group, from, each);
      if (!each) continue;
      for (auto at = group->quoted.lower_bound(from); at != group->quoted.end() && is_near(*at);
           ++at) {
        if (take(*at)) break;
      }
    }
  }
}

void Takers::ask_as_one(WaitingGroup& group, const Turn& from, bool plain_only) {
  // What does not fit now fits less when more of the node is taken.
  if (group.missed == filling_) return;
  const auto plain = group.plain.lower_bound(from);
  const auto quoted = plain_only ? group.quoted.end() : group.quoted.lower_bound(from);
  std::optional<Turn> next;
  if (plain != group.plain.end()) next = *plain;
  if (quoted != group.quoted.end() && (!next || *quoted < *next)) next = *quoted;
  if (next && is_near(*next) && !take(*next)) group.missed = filling_;
}

}  // namespace fallow::core
