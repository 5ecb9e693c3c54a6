#include "core/spot.h"

#include <algorithm>
#include <boost/unordered/unordered_flat_set.hpp>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/money.h"
#include "core/leases.h"
#include "core/meter.h"
#include "core/misses.h"
#include "core/nodes.h"
#include "core/orders.h"
#include "core/placement.h"
#include "core/repricing.h"
#include "core/reservation.h"
#include "core/run_mode.h"
#include "core/turns.h"

namespace fallow::core {
namespace {

constexpr std::int64_t kThousandths = 1'000;

// What goes lost when the lease is preempted: proven time by thousandths of devices.
Wide lost_work(const Lease& lease) {
  return Wide{lease.proven.value} * lease.device_thousandths * lease.devices.size();
}

std::uint64_t thousandths_held(const Lease& lease) {
  return std::uint64_t{lease.device_thousandths} * lease.devices.size();
}

// Who leaves one node for a task, and what it costs.
struct Eviction {
  NodeId node;
  std::vector<LeaseId> victims;
  Micros highest_bid;
  Wide cost = 0;  // lost work, and thousandths freed beyond the need over the least run
};

class Search {
 public:
  Search(const MarketState& state, const Order& order, const Task& task)
      : state_(state),
        order_(order),
        task_(task),
        matcher_(order.demand),
        spot_(is_spot(order)),
        whole_(task.avoid.empty() && order.leased == 0) {}

  // Nothing was left out: neither for the order's own nodes and leases, nor for a limit's sake.
  bool was_whole() const { return whole_; }

  // Of so many nodes the best plans; empty when there are not as many.
  std::vector<Eviction> best(std::size_t count) {
    const std::vector<const PriceIndex*> named = classes_named();
    for (const PriceIndex* const index : named) {
      (void)look_at(index->spot_leases, kPlacesLookedAtMax / named.size());
    }
    whole_ = look_at(state_.spot_leases, kPlacesLookedAtMax) && whole_;
    if (plans_.size() < count) return {};
    std::sort(plans_.begin(), plans_.end(),
              [&](const Eviction& a, const Eviction& b) { return rank(a) < rank(b); });
    plans_.resize(count);
    return std::move(plans_);
  }

 private:
  // The classes of the models that the query names, when fair turns hold; none: it names none.
  std::vector<const PriceIndex*> classes_named() const {
    std::vector<const PriceIndex*> named;
    if (!state_.policy.fair_turns()) return named;
    const Predicate* const models = order_.demand.query.names_models();
    if (models == nullptr) return named;
    state_.indexes.visit([&](const PriceIndex& index) {
      if (!index.spot_leases.empty() && models->holds(index.key.model)) named.push_back(&index);
    });
    return named;
  }

  // The nodes of the lowest bids, so many bids at most. Says whether it came to the end.
  bool look_at(const absl::btree_set<SpotPlace>& places, std::size_t places_max) {
    std::size_t looked_at = 0;
    for (const SpotPlace& place : places) {
      if (spot_ && place.bid >= most()) break;
      if (++looked_at > places_max) return false;
      const NodeId id = state_.leases.find(place.lease)->node;
      if (!seen_.insert(id.value).second) continue;
      if (std::find(task_.avoid.begin(), task_.avoid.end(), id) != task_.avoid.end()) continue;
      if (is_kept(state_, order_.demand, id, order_.id)) continue;
      const Node& node = *state_.nodes.find(id);
      // Most nodes would not do if they were empty: those are not copied, and do not count.
      if (!takes_leases(node) || !matcher_.fit(node, Supply::kOffered)) continue;
      if (tested_ == kVictimsTestedMax) return false;
      ++tested_;
      consider(node);
    }
    return true;
  }

  // No node leaves more of the bid for a device.
  Micros most() const { return spot_bid(order_.demand.requirements, Micros(0)); }

  bool may_leave(const Lease& lease, Micros bid) const {
    if (lease.order == order_.id) return false;
    if (!lease.spot || lease.state == v1::STOPPING || lease.started_at.us == 0) return false;
    if (state_.now - lease.started_at < Duration(state_.policy.spot_min_run_us())) return false;
    return !spot_ || lease.spot_bid < bid;
  }

  auto order_of(const Lease& lease) const {
    return spot_ ? std::tuple(Wide{lease.spot_bid.value}, lost_work(lease), lease.id)
                 : std::tuple(lost_work(lease), Wide{lease.spot_bid.value}, lease.id);
  }

  // Not a node that has shrunk since: what is leased of it may be more than it has.
  static bool takes_back(const Node& node, const Lease& lease) {
    return node.cpu_thousandths_free >= lease.cpu_thousandths &&
           node.memory_mb_free >= lease.memory_mb && node.disk_mb_free >= lease.disk_mb;
  }

  void consider(const Node& node) {
    const Micros bid = spot_bid(order_.demand.requirements, node.offer.disk_gb_hour);
    std::vector<const Lease*> leaving;
    for (const LeaseId id : node.leases) {
      const Lease& lease = *state_.leases.find(id);
      if (may_leave(lease, bid)) leaving.push_back(&lease);
    }
    std::sort(leaving.begin(), leaving.end(),
              [&](const Lease* a, const Lease* b) { return order_of(*a) < order_of(*b); });
    if (leaving.empty()) return;
    whole_ = whole_ && leaving.size() <= kVictimsOfNodeMax;
    leaving.resize(std::min(leaving.size(), kVictimsOfNodeMax));
    Node left = node;  // as the task would find it
    std::size_t count = 0;
    while (count < leaving.size() && !matcher_.fit(left, Supply::kFree)) {
      give_back(left, *leaving[count++]);
    }
    if (count == 0 || !matcher_.fit(left, Supply::kFree)) return;
    leaving.resize(count);
    // Whoever turns out not to be in the way stays.
    std::erase_if(leaving, [&](const Lease* lease) {
      if (!takes_back(left, *lease)) return false;
      reserve(left, *lease);
      if (matcher_.fit(left, Supply::kFree)) return true;
      give_back(left, *lease);
      return false;
    });
    offer(node, leaving);
  }

  void offer(const Node& node, const std::vector<const Lease*>& victims) {
    Eviction plan;
    plan.node = node.id;
    std::uint64_t freed = 0;
    for (const Lease* const lease : victims) {
      plan.victims.push_back(lease->id);
      plan.highest_bid = std::max(plan.highest_bid, lease->spot_bid);
      plan.cost += lost_work(*lease);
      freed += thousandths_held(*lease);
    }
    const std::uint64_t needed = std::uint64_t{matcher_.gpus()} * matcher_.share();
    const Wide spare = freed > needed ? Wide{freed - needed} : 0;
    plan.cost += spare * state_.policy.spot_min_run_us();
    plans_.push_back(std::move(plan));
  }

  std::tuple<Wide, Wide, NodeId> rank(const Eviction& of) const {
    return spot_ ? std::tuple(Wide{of.highest_bid.value}, of.cost, of.node)
                 : std::tuple(of.cost, Wide{of.highest_bid.value}, of.node);
  }

  const MarketState& state_;
  const Order& order_;
  const Task& task_;
  const Matcher matcher_;
  const bool spot_;
  bool whole_;
  std::size_t tested_ = 0;
  boost::unordered_flat_set<std::uint64_t> seen_;  // nodes
  std::vector<Eviction> plans_;                    // one a node, at most kVictimsTestedMax
};

// Nodes on which room must be made: one for a task, as many as are not free for a gang.
std::size_t nodes_lacking(const MarketState& state, const Order& order) {
  const std::size_t nodes = nodes_of(order.requirements);
  if (nodes == 1) return 1;
  const std::vector<Placement> free = state.book->list(order.demand, true, nodes);
  return nodes - static_cast<std::size_t>(
                     std::count_if(free.begin(), free.end(), [&](const Placement& placement) {
                       return !takes_reserved(state, order.demand, placement.node->id, order.id);
                     }));
}

// Where a task of the demand would run if everything were free; null for nowhere.
const Node* node_for(const MarketState& state, const Demand& demand) {
  const std::vector<Placement> places = spot_places(state, demand, 1);
  return places.empty() ? nullptr : places.front().node;
}

// The same, where the miss has the answer for a demand that asks for no more. What is best for that
// one is best for this one, too, if it would do for it; but the cost to complete ranks by the time.
const Node* node_for(const MarketState& state, Demand& asked, const Miss& miss) {
  if (objective_of(asked.requirements) == v1::COST_TO_COMPLETE) return node_for(state, asked);
  const Node* const node = state.nodes.find(miss.node);
  if (node == nullptr) return nullptr;
  asked.at_floor = true;
  const bool fits = Matcher(asked).fit(*node, Supply::kOffered).has_value();
  asked.at_floor = false;
  return fits ? node : node_for(state, asked);
}

// Does anything in the class run on a lower bid? Without fair turns the lowest bids of all classes
// are looked at; when those are not enough to know, it does.
bool runs_on_less(const MarketState& state, const PriceIndex& index, Micros bid) {
  if (state.policy.fair_turns()) {
    return !index.spot_leases.empty() && index.spot_leases.begin()->bid < bid;
  }
  std::size_t looked_at = 0;
  for (const SpotPlace& place : state.spot_leases) {
    if (place.bid >= bid) return false;
    if (++looked_at > kPlacesLookedAtMax) return true;
    const Lease& lease = *state.leases.find(place.lease);
    if (state.nodes.find(lease.node)->counted.index == &index) return true;
  }
  return false;
}

// A bid that was turned away counts, unless something in the class of the node where it would run
// (null for nowhere) runs on a lower one.
void count_losing(const MarketState& state, const Order& order, const Node* node) {
  if (node == nullptr || node->counted.index == nullptr) return;
  PriceIndex* const index = node->counted.index;
  // A price of the class stays within what an offer may ask.
  const Micros bid = std::min(spot_bid(order.demand.requirements, node->offer.disk_gb_hour),
                              state.limits.price_hour_max);
  if (bid <= index->spot_losing || runs_on_less(state, *index, bid)) return;
  index->spot_losing = bid;
}

// Who must leave for the order; none: nobody may. Who asks for no less than another for whom nobody
// had to leave is told so at once.
std::vector<Eviction> plans_for(MarketState& state, Order& order, const Task& task) {
  // Its quote may be over: whoever found nothing with others was not asked for alone.
  Demand& demand = demand_now(state, order);
  const std::uint64_t search = state.waiting.search();
  const bool plain = is_plain(state, order);
  const Miss* const miss =
      plain && !holds_reservation(state, order) ? state.rooms_missed.find(search, demand) : nullptr;
  if (miss != nullptr) {
    if (is_spot(order)) count_losing(state, order, node_for(state, demand, *miss));
    return {};
  }
  Search room(state, order, task);
  std::vector<Eviction> plans = room.best(nodes_lacking(state, order));
  if (!plans.empty()) return plans;
  const Node* const node = is_spot(order) ? node_for(state, demand) : nullptr;
  if (is_spot(order)) count_losing(state, order, node);
  if (plain && room.was_whole()) {
    state.rooms_missed.add(search, demand, node == nullptr ? NodeId() : node->id);
  }
  return plans;
}

Wide cost_since(const PriceRun& run, Duration from) {
  return Wide{run.rate_hour.value} * (run.until - from).value;
}

}  // namespace

std::vector<Placement> spot_places(const MarketState& state, const Demand& asked,
                                   std::size_t count_max) {
  Demand demand = asked;
  demand.at_floor = true;
  demand.avoid = {};
  return state.book->list(demand, false, count_max);
}

bool offers_spot(const v1::Policy& policy) { return keeps_index(policy); }

Micros spot_floor(const Offer& offer) { return std::min(offer.spot_floor, offer.device_hour); }

Micros spot_bid(const v1::Requirements& requirements, Micros disk_gb_hour) {
  const Micros disk = rate_of(requirements, Micros(0), disk_gb_hour);
  const Wide left = Wide{requirements.price_per_hour_micros_max()} - disk.value;
  if (left < 0) return Micros(-1);
  const Wide share = Wide{gpus_of(requirements)} * share_of(requirements);
  return Micros(static_cast<std::int64_t>(left * kThousandths / share));
}

void begin_spot(MarketState& state, Lease& lease, const Order& order) {
  const Node& node = *state.nodes.find(lease.node);
  lease.spot = true;
  lease.spot_bid = spot_bid(order.demand.requirements, lease.disk_gb_hour);
  lease.spot_floor = spot_floor(node.offer);
  lease.rate_hour = rate_of(order.requirements, lease.spot_bid, lease.disk_gb_hour);
  state.spot_leases.insert({lease.spot_bid, lease.id});
  if (PriceIndex* const index = node.counted.index) {
    index->spot_leases.insert({lease.spot_bid, lease.id});
  }
}

void leave_spot(MarketState& state, const Lease& lease) {
  if (!lease.spot) return;
  state.spot_leases.erase({lease.spot_bid, lease.id});
  if (PriceIndex* const index = state.nodes.find(lease.node)->counted.index) {
    index->spot_leases.erase({lease.spot_bid, lease.id});
  }
}

void enter_spot_class(MarketState& state, const Node& node) {
  if (node.counted.index == nullptr) return;
  for (const LeaseId id : node.leases) {
    const Lease& lease = *state.leases.find(id);
    if (!lease.spot || lease.state == v1::STOPPING) continue;
    node.counted.index->spot_leases.insert({lease.spot_bid, id});
  }
}

void leave_spot_class(MarketState& state, const Node& node) {
  if (node.counted.index == nullptr) return;
  for (const LeaseId id : node.leases) {
    node.counted.index->spot_leases.erase({state.leases.find(id)->spot_bid, id});
  }
}

Micros spot_rate(const MarketState& state, const Lease& lease) {
  const PriceIndex* const index = state.nodes.find(lease.node)->counted.index;
  const Micros price = index == nullptr ? Micros(0) : index->spot;
  const Order& order = *state.orders.find(lease.order);
  return rate_of(order.requirements, std::clamp(price, lease.spot_floor, lease.spot_bid),
                 lease.disk_gb_hour);
}

void extend_runs(const MarketState& state, Lease& lease) {
  const Duration until = charged_time(lease);
  const Duration known = lease.runs.empty() ? Duration(0) : lease.runs.back().until;
  if (until <= known) return;
  const Micros rate = spot_rate(state, lease);
  const bool goes_on = !lease.runs.empty() &&
                       (lease.runs.back().rate_hour == rate || lease.runs.size() == kPriceRunsMax);
  if (!goes_on) {
    if (!lease.runs.empty()) {
      const std::size_t last = lease.runs.size() - 1;
      const Duration from = last == 0 ? Duration(0) : lease.runs[last - 1].until;
      lease.runs_cost += cost_since(lease.runs.back(), from);
    }
    lease.runs.push_back({rate, known});
  }
  lease.runs.back().until = until;
}

Micros cost_of_runs(const Lease& lease) {
  if (lease.runs.empty()) return Micros(0);
  const std::size_t last = lease.runs.size() - 1;
  const Duration from = last == 0 ? Duration(0) : lease.runs[last - 1].until;
  const Wide cost = lease.runs_cost + cost_since(lease.runs.back(), from);
  return Micros(static_cast<std::int64_t>(cost / kHour.value));
}

bool restore_runs(Lease& lease) {
  if (lease.runs.size() > kPriceRunsMax) return false;
  lease.runs_cost = 0;
  Duration from(0);
  for (std::size_t i = 0; i < lease.runs.size(); ++i) {
    const PriceRun& run = lease.runs[i];
    if (run.until <= from || run.rate_hour.value < 0 || run.rate_hour > lease.rate_hour) {
      return false;
    }
    if (i + 1 < lease.runs.size()) lease.runs_cost += cost_since(run, from);
    from = run.until;
  }
  return from <= lease.proven;
}

void close_spot_interval(Step& step) {
  MarketState& state = step.state;
  state.indexes.each([&](PriceIndex& index) {
    const Micros losing = std::exchange(index.spot_losing, Micros(0));
    const Micros before = index.spot;
    index.spot = index.spot_leases.empty() ? Micros(0) : losing;
    if (index.spot_leases.empty() && before == index.spot) return;
    v1::SpotPriced& told = *step.tell().mutable_spot_priced();
    told.set_model(index.key.model);
    told.set_region(index.key.region);
    told.set_price_micros(index.spot.value);
    told.set_losing_micros(losing.value);
    told.set_leases(index.spot_leases.size());
  });
  // Prices fell, cool-downs and least runs are over: whoever waits may be served now.
  if (!state.spot_leases.empty()) state.dirty = state.waiting.all();
  state.spot_dirty = state.spot_waiting;
  for (const auto& [id, seen] : state.spot_seen) {
    Order& order = *state.orders.find(id);
    if (order.turn != 0) wait_for_match(state, order);
  }
}

void make_room(Step& step, Order& order, const Task& task) {
  MarketState& state = step.state;
  // One room at a time.
  if (order.claims > 0 || state.spot_leases.empty()) return;
  const std::vector<Eviction> plans = plans_for(state, order, task);
  for (const Eviction& plan : plans) {
    for (const LeaseId id : plan.victims) {
      Lease& lease = *state.leases.find(id);
      lease.claimant = order.id;
      ++order.claims;
      stop_lease(step, lease, v1::PREEMPTED);
    }
  }
  // What a reserved node is kept for depends on when its leases leave.
  if (!plans.empty()) state.waiting.begin_search();
}

}  // namespace fallow::core
