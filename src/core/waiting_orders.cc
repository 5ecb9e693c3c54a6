#include "core/waiting_orders.h"

#include <algorithm>
#include <ext/pb_ds/assoc_container.hpp>
#include <ext/pb_ds/tree_policy.hpp>
#include <vector>

#include "base/check.h"
#include "core/order.h"

namespace fallow::core {
namespace {

// Equal for demands that differ in nothing but their quotes. The query's text is in the
// requirements.
std::string key_of(const Demand& demand) {
  std::string key = demand.requirements.SerializeAsString();
  for (const Micros& most : {demand.rate_hour_max, demand.egress_gb_max}) {
    key.append(reinterpret_cast<const char*>(&most.value), sizeof most.value);
  }
  return key;
}

std::vector<std::string> models_of(const Query& query) {
  const Predicate* const named = query.names_models();
  return named == nullptr ? std::vector<std::string>{""} : named->words;
}

}  // namespace

struct WaitingOrders::Ranks {
  __gnu_pbds::tree<Turn, __gnu_pbds::null_type, std::less<Turn>, __gnu_pbds::rb_tree_tag,
                   __gnu_pbds::tree_order_statistics_node_update>
      turns;
};

WaitingOrders::WaitingOrders() : ranks_(std::make_unique<Ranks>()) {}
WaitingOrders::~WaitingOrders() = default;

void WaitingOrders::insert(const Turn& turn) {
  ranks_->turns.insert(turn);
  newcomers_.insert(turn);
}

void WaitingOrders::erase(const Turn& turn, Order& order) {
  ranks_->turns.erase(turn);
  if (order.group == nullptr) {
    newcomers_.erase(turn);
    return;
  }
  WaitingGroup& group = *std::exchange(order.group, nullptr);
  if (group.plain.erase(turn) == 0) {
    group.quoted.erase(turn);
    standing_.erase({order.quote_until, turn});
  }
  if (!group.plain.empty() || !group.quoted.empty()) return;
  for (const std::string& model : group.models) {
    const auto naming = by_model_.find(model);
    if (naming == by_model_.end()) continue;  // named twice
    naming->second.erase(group.key);
    if (naming->second.empty()) by_model_.erase(naming);
  }
  groups_.erase(groups_.find(group.key));
}

const WaitingOrders::Groups& WaitingOrders::groups_naming(const std::string& model) const {
  static const Groups kNone;
  const auto naming = by_model_.find(model);
  return naming == by_model_.end() ? kNone : naming->second;
}

std::size_t WaitingOrders::size() const { return ranks_->turns.size(); }

bool WaitingOrders::contains(const Turn& turn) const {
  return ranks_->turns.find(turn) != ranks_->turns.end();
}

std::size_t WaitingOrders::rank(const Turn& turn) const { return ranks_->turns.order_of_key(turn); }

Turn WaitingOrders::at(std::size_t rank) const {
  const auto found = ranks_->turns.find_by_order(rank);
  FALLOW_CHECK(found != ranks_->turns.end(), "nobody waits at place {}", rank);
  return *found;
}

void WaitingOrders::visit(const Turn& from, const std::function<bool(const Turn&)>& visit) const {
  for (auto at = ranks_->turns.lower_bound(from); at != ranks_->turns.end(); ++at) {
    if (!visit(*at)) return;
  }
}

absl::btree_set<Turn> WaitingOrders::all() const {
  return {ranks_->turns.begin(), ranks_->turns.end()};
}

void WaitingOrders::begin_command() {
  begin_search();
  gathers_left_ = kGatheredPerCommandMax;
}

bool WaitingOrders::gather(Time now, const std::function<Order&(OrderId)>& order_of) {
  for (; !newcomers_.empty() && gathers_left_ > 0; --gathers_left_) {
    const Turn turn = *newcomers_.begin();
    newcomers_.erase(newcomers_.begin());
    join(turn, order_of(turn.order), now);
  }
  const auto is_over = [&] { return !standing_.empty() && standing_.begin()->first <= now; };
  for (; is_over() && gathers_left_ > 0; --gathers_left_) {
    const Turn turn = standing_.begin()->second;
    standing_.erase(standing_.begin());
    WaitingGroup& group = *order_of(turn.order).group;
    group.quoted.erase(turn);
    group.plain.insert(turn);
  }
  return newcomers_.empty() && !is_over();
}

void WaitingOrders::join(const Turn& turn, Order& order, Time now) {
  std::string key = key_of(order.demand);
  std::unique_ptr<WaitingGroup>& group = groups_[key];
  if (group == nullptr) {
    group = std::make_unique<WaitingGroup>();
    group->key = std::move(key);
    group->models = models_of(order.demand.query);
    for (const std::string& model : group->models) by_model_[model][group->key] = group.get();
  }
  order.group = group.get();
  if (order.quote_until <= now) {
    group->plain.insert(turn);
    return;
  }
  group->quoted_from =
      group->quoted.empty() ? order.quoted_at : std::min(group->quoted_from, order.quoted_at);
  group->quoted.insert(turn);
  standing_.insert({order.quote_until, turn});
}

}  // namespace fallow::core
