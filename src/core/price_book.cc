#include "core/price_book.h"

#include <algorithm>
#include <limits>
#include <span>

#include "core/relaxation.h"
#include "core/row_key.h"
#include "core/speed.h"

namespace fallow::core {
namespace {

bool holds_node(std::span<const NodeId> nodes, NodeId node) {
  return std::find(nodes.begin(), nodes.end(), node) != nodes.end();
}

// A walk meets entries in the order of price, which is no order in memory: so many are asked for
// ahead, that each has come when it is met.
constexpr std::size_t kPrefetched = 8;

// Of groups, by their classes.
constexpr auto in_order = [](const auto* a, const auto* b) { return a->key < b->key; };

}  // namespace

std::unique_ptr<Book> make_book() { return std::make_unique<PriceBook>(); }

std::vector<Placement> Book::list(const Demand& demand, bool free_only,
                                  std::size_t count_max) const {
  ListOptions options;
  options.free_only = free_only;
  options.count_max = count_max;
  return list(demand, options);
}

void PriceBook::update(const Node& node) {
  std::unique_ptr<Entry>& slot = entries_[node.id];
  if (!slot) slot = std::make_unique<Entry>();
  Entry& entry = *slot;
  entry.node = &node;
  entry.sieve = sieve_of(node);
  const bool offered = is_offered(node);
  const bool former = offered && !node.offer.former.empty();
  const bool moved = !offered || entry.device_hour != node.offer.device_hour ||
                     entry.former != former || !same_devices(entry, node);
  if (entry.offered && moved) leave(entry);
  if (offered && !entry.offered) {
    entry.device_hour = node.offer.device_hour;
    entry.former = former;
    set_devices(entry, node);
    enter(entry);
  }
  if (entry.offered) set_open(entry, is_open(node));
}

void PriceBook::remove(NodeId node) {
  const auto at = entries_.find(node);
  if (at == entries_.end()) return;
  if (at->second->offered) leave(*at->second);
  entries_.erase(at);
}

bool PriceBook::same_devices(const Entry& entry, const Node& node) {
  return std::equal(entry.devices.begin(), entry.devices.end(), node.devices.begin(),
                    node.devices.end(), [](const v1::Device& known, const NodeDevice& device) {
                      return known.memory_mb() == device.facts.memory_mb() &&
                             known.kind() == device.facts.kind() &&
                             known.model() == device.facts.model();
                    });
}

void PriceBook::set_devices(Entry& entry, const Node& node) {
  if (same_devices(entry, node)) return;
  entry.devices.clear();
  entry.speeds.clear();
  for (const NodeDevice& device : node.devices) {
    entry.devices.push_back(device.facts);
    entry.speeds.push_back(speed_of(device.facts));
  }
}

void PriceBook::enter(Entry& entry) {
  const PriceKey key{entry.device_hour, entry.node->id};
  entry.groups.clear();
  for (std::size_t i = 0; i < entry.devices.size(); ++i) {
    const v1::Device& device = entry.devices[i];
    Class key_of_class{-entry.speeds[i], canonical_word(device.model()), device.memory_mb(),
                       device.kind()};
    std::unique_ptr<Group>& group = groups_[key_of_class];
    if (!group) {
      group = std::make_unique<Group>();
      group->device = device;
      groups_by_model_[key_of_class.model][key_of_class] = group.get();
      group->key = std::move(key_of_class);
    }
    if (group->offered.emplace(key, &entry).second) entry.groups.push_back(group.get());
  }
  std::sort(entry.groups.begin(), entry.groups.end(), in_order);
  entry.only_group = entry.groups.size() == 1 ? entry.groups.front() : nullptr;
  offered_.emplace(key, &entry);
  if (entry.former) former_.emplace(entry.node->id, &entry);
  entry.offered = true;
}

void PriceBook::leave(Entry& entry) {
  set_open(entry, false);
  const PriceKey key{entry.device_hour, entry.node->id};
  offered_.erase(key);
  former_.erase(entry.node->id);
  for (Group* group : entry.groups) {
    group->offered.erase(key);
    if (!group->offered.empty()) continue;
    const Class gone = group->key;  // a class nobody offers any more keeps no trees
    const auto model = groups_by_model_.find(gone.model);
    model->second.erase(gone);
    if (model->second.empty()) groups_by_model_.erase(model);
    groups_.erase(gone);
  }
  entry.groups.clear();
  entry.offered = false;
}

void PriceBook::set_open(Entry& entry, bool open) {
  if (entry.open == open) return;
  entry.open = open;
  const PriceKey key{entry.device_hour, entry.node->id};
  const auto set = [&](Tree& tree) {
    if (open) {
      tree.emplace(key, &entry);
    } else {
      tree.erase(key);
    }
  };
  set(open_);
  for (Group* group : entry.groups) set(group->open);
}

// The groups whose devices the query admits, in their order.
std::vector<const PriceBook::Group*> PriceBook::groups_for(const Matcher& matcher) const {
  const Query& query = matcher.demand().query;
  std::vector<const Group*> groups;
  for (const Predicate& predicate : query.predicates()) {
    if (predicate.field != Field::kGpuName) continue;
    if (predicate.op != Operator::kEqual && predicate.op != Operator::kIn) continue;
    for (const std::string& word : predicate.words) {
      const auto model = groups_by_model_.find(word);
      if (model == groups_by_model_.end()) continue;
      for (const auto& [key, group] : model->second) {
        if (query.admits(group->device)) groups.push_back(group);
      }
    }
    std::sort(groups.begin(), groups.end(), in_order);
    groups.erase(std::unique(groups.begin(), groups.end()), groups.end());
    return groups;
  }
  for (const auto& [key, group] : groups_) {
    if (query.admits(group->device)) groups.push_back(group.get());
  }
  return groups;
}

void PriceBook::walk(const Walk& walk) const {
  const Demand& demand = walk.matcher.demand();
  if (demand.quoted_at.us > 0) {
    for (const auto& [id, entry] : former_) {
      if (!walk.visit(*entry, Hints{.speeds = entry->speeds})) return;
    }
  }
  if (walk.matcher.objective() == v1::CHEAPEST && !demand.query.names_devices()) {
    walk_tree(walk, nullptr, {});
    return;
  }
  const std::vector<const Group*> groups = groups_for(walk.matcher);
  for (const Group* group : groups) {
    if (!walk_tree(walk, group, groups)) return;
  }
}

bool PriceBook::walk_tree(const Walk& walk, const Group* group,
                          const std::vector<const Group*>& wanted) const {
  const Matcher& matcher = walk.matcher;
  const bool quoted = matcher.demand().quoted_at.us > 0;
  const Tree& offered = group == nullptr ? offered_ : group->offered;
  const Tree& open = group == nullptr ? open_ : group->open;
  const Tree& tree = walk.supply == Supply::kFree ? open : offered;
  const std::int64_t speed =
      group == nullptr ? std::numeric_limits<std::int64_t>::max() : -group->key.slowness;
  const Screen screen(matcher.demand().query);
  Micros bounded(-1);
  auto ahead = tree.lower_bound(PriceKey{walk.device_hour_from, NodeId(0)});
  auto at = ahead;
  for (std::size_t i = 0; i < kPrefetched && ahead != tree.end(); ++i) ++ahead;
  for (; at != tree.end(); ++at) {
    if (ahead != tree.end()) {
      __builtin_prefetch(ahead->second);
      ++ahead;
    }
    const Entry& entry = *at->second;
    const Micros device_hour = at->first.device_hour;
    if (device_hour != bounded) {
      bounded = device_hour;
      if (matcher.device_hour_max() < device_hour) return true;
      if (walk.beyond(matcher.bound(device_hour, speed))) return true;
    }
    if (!screen.passes(entry.sieve)) continue;
    if (quoted && entry.former) continue;  // seen already, by its former price
    const bool one_class = entry.only_group != nullptr;
    if (group != nullptr && !one_class) {
      // A node of several classes is visited in the first of its wanted groups only.
      const auto first =
          std::find_if(entry.groups.begin(), entry.groups.end(), [&](const Group* own) {
            return std::binary_search(wanted.begin(), wanted.end(), own, in_order);
          });
      if (*first != group) continue;
    }
    const Hints hints{.speeds = entry.speeds, .all_admitted = group != nullptr && one_class};
    if (!walk.visit(entry, hints)) return false;
  }
  return true;
}

std::optional<Placement> PriceBook::match(const Demand& demand) const {
  const Matcher matcher(demand);
  struct Best {
    const Node* node = nullptr;
    Candidate candidate;
    Rank rank;
  };
  Best best;      // among the nodes that are welcome
  Best fallback;  // among those to be avoided
  walk({.matcher = matcher,
        .supply = Supply::kFree,
        .visit =
            [&](const Entry& entry, const Hints& hints) {
              const Node& node = *entry.node;
              const auto candidate = matcher.fit(node, Supply::kFree, hints);
              if (!candidate) return true;
              Best& slot = holds_node(demand.avoid, node.id) ? fallback : best;
              const Rank rank = matcher.rank(node, *candidate);
              if (slot.node == nullptr || rank < slot.rank) slot = {&node, *candidate, rank};
              return true;
            },
        .beyond =
            [&](const Rank& bound) {
              return matcher.rate_hour_max() < bound.rate_hour ||
                     (best.node != nullptr && best.rank < bound);
            },
        .device_hour_from = Micros(0)});
  const Best& found = best.node != nullptr ? best : fallback;
  if (found.node == nullptr) return std::nullopt;
  return matcher.placement(*found.node, found.candidate, Supply::kFree);
}

bool PriceBook::possible(const Demand& demand) const {
  // Any match will do: the order by price is the shortest walk.
  Demand any = demand;
  any.requirements.set_objective(v1::CHEAPEST);
  const Matcher matcher(any);
  bool found = false;
  walk({.matcher = matcher,
        .supply = Supply::kOffered,
        .visit =
            [&](const Entry& entry, const Hints& hints) {
              found = matcher.fit(*entry.node, Supply::kOffered, hints).has_value();
              return !found;
            },
        .beyond = [&](const Rank& bound) { return matcher.rate_hour_max() < bound.rate_hour; },
        .device_hour_from = Micros(0)});
  return found;
}

std::vector<Placement> PriceBook::list(const Demand& demand, const ListOptions& options) const {
  if (options.count_max == 0) return {};
  const Matcher matcher(demand);
  const RowOrder order(matcher, options.order);
  const bool by_rank = options.order.empty();
  struct Row {
    Rank rank;
    RowKey key;  // where the order is the caller's own
    const Node* node = nullptr;
    Candidate candidate;
    Supply supply = Supply::kFree;
  };
  const auto before = [&](const Row& a, const Row& b) {
    return by_rank ? a.rank < b.rank : order.before(a.key, b.key);
  };
  std::optional<Row> after;
  if (options.after) {
    after.emplace();
    after->key = *options.after;
    if (by_rank) after->rank = RowOrder::rank(*options.after);
  }
  std::vector<Row> rows;  // once it is full, a heap with the last row on top
  const auto visit = [&](const Entry& entry, const Hints& hints) {
    const Node& node = *entry.node;
    Row row;
    row.node = &node;
    auto candidate = matcher.fit(node, Supply::kFree, hints);
    if (!candidate && !options.free_only) {
      row.supply = Supply::kOffered;
      candidate = matcher.fit(node, Supply::kOffered, hints);
    }
    if (!candidate) return true;
    row.candidate = *candidate;
    row.rank = matcher.rank(node, row.candidate);
    if (!by_rank) row.key = order.key(node, row.candidate);
    if (after && !before(*after, row)) return true;
    if (rows.size() < options.count_max) {
      rows.push_back(std::move(row));
      if (rows.size() == options.count_max) std::make_heap(rows.begin(), rows.end(), before);
    } else if (before(row, rows.front())) {
      std::pop_heap(rows.begin(), rows.end(), before);
      rows.back() = std::move(row);
      std::push_heap(rows.begin(), rows.end(), before);
    }
    return true;
  };
  const auto beyond = [&](const Rank& bound) {
    if (matcher.rate_hour_max() < bound.rate_hour) return true;
    return by_rank && rows.size() == options.count_max && rows.front().rank < bound;
  };
  Micros from(0);
  if (by_rank && after && matcher.objective() == v1::CHEAPEST &&
      demand.requirements.disk_mb() == 0) {
    from = matcher.device_hour_from(after->rank.rate_hour);
  }
  walk({.matcher = matcher,
        .supply = options.free_only ? Supply::kFree : Supply::kOffered,
        .visit = visit,
        .beyond = beyond,
        .device_hour_from = from});
  std::sort(rows.begin(), rows.end(), before);
  std::vector<Placement> placements;
  placements.reserve(rows.size());
  for (const Row& row : rows) {
    placements.push_back(matcher.placement(*row.node, row.candidate, row.supply));
  }
  return placements;
}

PriceBook::ClassFailures PriceBook::class_failures(const Query& query) const {
  const std::vector<Predicate>& predicates = query.predicates();
  ClassFailures failures;
  for (const auto& [key, group] : groups_) {
    Screen::Failures& of_class = failures[group.get()];
    for (std::size_t i = 0; i < predicates.size(); ++i) {
      const Predicate& predicate = predicates[i];
      if (!is_of_device(predicate.field) || predicate.holds(group->device)) continue;
      of_class.add(i, is_word(predicate.field)
                          ? 0
                          : distance_to(predicate, number_of(group->device, predicate.field)));
    }
    // A processor that is not asked for stays out whichever condition moves.
    if (of_class.count == 0 && !query.admits(group->device)) of_class.count = 2;
  }
  return failures;
}

std::vector<v1::Relaxation> PriceBook::relaxations(const Demand& demand) const {
  Demand any = demand;
  any.requirements.set_objective(v1::CHEAPEST);
  any.avoid = {};
  if (match(any)) return {};
  const Matcher matcher(any);
  const Screen screen(any.query);
  const ClassFailures of_class = class_failures(any.query);
  RelaxationScan scan(any);
  auto ahead = offered_.begin();
  for (std::size_t i = 0; i < kPrefetched && ahead != offered_.end(); ++i) ++ahead;
  for (const auto& [key, entry] : offered_) {
    if (ahead != offered_.end()) {
      __builtin_prefetch(ahead->second);
      ++ahead;
    }
    // Two failures are not mended by one change; and as the cheapest come first, most that fail in
    // one thing are no better than what was found. Only the rest are looked at closely.
    Screen::Failures failures = screen.failures(entry->sieve);
    if (entry->only_group != nullptr && failures.count < 2) {
      const Screen::Failures& own = of_class.at(entry->only_group);
      if (own.count > 0) failures.add(own.predicate, own.distance);
      failures.count += own.count > 1 ? 1 : 0;
    }
    if (failures.count > 1) continue;
    if (failures.count == 1 && !entry->former &&
        !scan.worth(failures.predicate, failures.distance,
                    matcher.bound(key.device_hour, 0).rate_hour)) {
      continue;
    }
    scan.consider(*entry->node);
  }
  return scan.finish();
}

}  // namespace fallow::core
