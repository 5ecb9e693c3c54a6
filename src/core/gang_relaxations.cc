#include "core/gang_relaxations.h"

#include <algorithm>
#include <cstdlib>
#include <tuple>
#include <utility>

#include "core/term.h"

namespace fallow::core {
namespace {

bool is_comparison(const Predicate& predicate) {
  switch (predicate.op) {
    case Operator::kLess:
    case Operator::kLessEqual:
    case Operator::kGreaterEqual:
    case Operator::kGreater:
      return true;
    default:
      return false;
  }
}

// It is copied often, and the query stands parsed beside it.
Demand without_text(Demand demand) {
  demand.requirements.clear_query();
  return demand;
}

}  // namespace

bool is_named_for_gangs(const Query& query, std::size_t at) {
  const std::vector<Predicate>& predicates = query.predicates();
  if (!is_of_device(predicates[at].field)) return true;
  return std::all_of(predicates.begin(), predicates.end(), [](const Predicate& predicate) {
    return predicate.field != Field::kNumGpus || predicate.op == Operator::kAny ||
           predicate.op == Operator::kGreaterEqual || predicate.op == Operator::kGreater;
  });
}

bool is_named_for_gangs(const v1::Requirements& requirements, Duration shorter) {
  return requirements.tier() != v1::RESERVED || bracket_of(shorter) == bracket_of(requirements);
}

Demand changed(const Demand& demand, const GangChange& change) {
  if (change.change == Change::kPredicate) {
    return widened(demand, change.predicate, change.number, change.word);
  }
  Demand copy = demand;
  set_value(copy, change.change, change.number);
  return copy;
}

v1::Relaxation relaxation_of(const Demand& demand, const GangChange& change,
                             const std::vector<Placement>& gang) {
  const Micros rate_hour = dearest_of(gang);
  if (change.change != Change::kPredicate) {
    return relaxation_of(change.change, demand.requirements, change.number, rate_hour);
  }
  const Predicate& predicate = demand.query.predicates()[change.predicate];
  return is_word(predicate.field) ? relaxation_of(predicate, change.word, rate_hour)
                                  : relaxation_of(predicate, change.number, rate_hour);
}

Micros dearest_of(const std::vector<Placement>& placements) {
  Micros dearest;
  for (const Placement& placement : placements) dearest = std::max(dearest, placement.rate_hour);
  return dearest;
}

void MissingValues::add(std::int64_t distance, std::int64_t number) {
  if (!worth(distance)) return;
  if (nearest_.size() == missing_) {
    std::pop_heap(nearest_.begin(), nearest_.end());
    nearest_.pop_back();
  }
  nearest_.emplace_back(distance, number);
  std::push_heap(nearest_.begin(), nearest_.end());
}

std::optional<std::int64_t> MissingValues::number() const {
  if (nearest_.size() < missing_) return std::nullopt;
  return nearest_.front().second;
}

bool ValueGroups::worth(std::int64_t distance, Micros rate_hour_min) const {
  return !best_ ||
         std::tie(distance, rate_hour_min) <= std::tie(best_->distance, best_->last.rate_hour);
}

void ValueGroups::add(const RelaxationValues::Value& value, const Rank& rank) {
  std::pair key(value.number, canonical_word(value.word));
  std::vector<Member>& members = groups_[std::move(key)];
  members.emplace_back(rank, value.word);
  std::push_heap(members.begin(), members.end());
  if (members.size() > missing_) {
    std::pop_heap(members.begin(), members.end());
    members.pop_back();
  }
  if (members.size() < missing_) return;
  const auto& [last, word] = members.front();
  if (best_ && std::tie(best_->distance, best_->last, best_->number, best_->word) <=
                   std::tie(value.distance, last, value.number, word)) {
    return;
  }
  best_ = Best{value.distance, last, value.number, word};
}

GangRelaxationScan::GangRelaxationScan(const Demand& demand, std::size_t missing)
    : demand_(without_text(demand)),
      values_(demand_),
      matcher_(values_.matcher()),
      scratch_(demand_),
      moved_(demand.query.predicates().size(), MissingValues(missing)),
      replaced_(demand.query.predicates().size(), ValueGroups(missing)),
      changes_(static_cast<std::size_t>(Change::kWait), MissingValues(missing)),
      share_steps_(kWholeDevice + 2),
      missing_(missing) {
  for (std::size_t i = 0; i < moved_.size(); ++i) lifted_.push_back(without_predicate(demand_, i));
}

void GangRelaxationScan::consider(const Node& node) {
  if (!is_offered(node) || (matcher_.spot() && !node.offer.spot)) return;
  const RelaxationValues::Failures failures = values_.failures_of(node);
  if (failures.count > 1 || failures.link) return;
  if (failures.predicate) return try_predicate(*failures.predicate, node);
  if (failures.change == Change::kShare) return try_shares(node);
  if (failures.change) return try_change(*failures.change, node);
  // The node itself would do: it is the price, or the devices, or it matches.
  try_shares(node);
  if (matcher_.fit(node, Supply::kFree)) return;  // it is none of those that are missing
  for (const Change change : {Change::kPrice, Change::kGpus, Change::kDisk}) {
    try_change(change, node);
  }
  const std::vector<Predicate>& predicates = demand_.query.predicates();
  for (std::size_t i = 0; i < predicates.size(); ++i) {
    if (is_of_devices(predicates[i])) try_predicate(i, node);
  }
}

bool GangRelaxationScan::worth(std::size_t predicate, std::int64_t distance,
                               Micros rate_hour_min) const {
  if (!is_named_for_gangs(demand_.query, predicate)) return false;
  const Predicate& tested = demand_.query.predicates()[predicate];
  if (is_comparison(tested)) return moved_[predicate].worth(distance);
  // An id lets in one node: a group for each of a million would never be enough.
  if (tested.field == Field::kNode && missing_ > 1) return false;
  return replaced_[predicate].worth(distance, rate_hour_min);
}

void GangRelaxationScan::add(std::size_t predicate, const RelaxationValues::Value& value,
                             const Rank& rank) {
  if (is_comparison(demand_.query.predicates()[predicate])) {
    moved_[predicate].add(value.distance, value.number);
  } else {
    replaced_[predicate].add(value, rank);
  }
}

void GangRelaxationScan::try_predicate(std::size_t at, const Node& node) {
  const Predicate& predicate = demand_.query.predicates()[at];
  if (is_of_device(predicate.field)) return try_devices(at, node);
  const Rank rank = matcher_.rank(node, matcher_.priced(node));
  const RelaxationValues::Value value = values_.value_of(predicate, node);
  if (!worth(at, value.distance, rank.rate_hour)) return;
  if (!Matcher(lifted_[at]).fit(node, Supply::kFree)) return;
  add(at, value, rank);
}

// Widened as far as one of its devices, are there enough?
void GangRelaxationScan::try_devices(std::size_t at, const Node& node) {
  const Predicate& predicate = demand_.query.predicates()[at];
  const Rank rank = matcher_.rank(node, matcher_.priced(node));
  std::vector<RelaxationValues::Value> seen;
  std::optional<RelaxationValues::Value> nearest;  // of a comparison: the node counts once
  for (const NodeDevice& device : node.devices) {
    if (predicate.holds(device.facts)) continue;
    const RelaxationValues::Value value = RelaxationValues::value_of(predicate, device.facts);
    const bool is_seen = std::any_of(seen.begin(), seen.end(), [&](const auto& other) {
      return other.number == value.number && same_word(canonical_word(other.word), value.word);
    });
    if (is_seen || !worth(at, value.distance, rank.rate_hour)) continue;
    seen.push_back(value);
    if (!Matcher(lifted_[at]).fit(node, Supply::kFree)) return;  // before the costly one
    const Demand demand = widened(demand_, at, value.number, value.word);
    if (!Matcher(demand).fit(node, Supply::kFree)) continue;
    if (!is_comparison(predicate)) {
      add(at, value, rank);
    } else if (!nearest || value.distance < nearest->distance) {
      nearest = value;
    }
  }
  if (nearest) add(at, *nearest, rank);
}

void GangRelaxationScan::try_change(Change change, const Node& node) {
  const std::optional<std::int64_t> value = values_.value_for(change, node);
  if (!value) return;
  if (change == Change::kDuration && !is_named_for_gangs(demand_.requirements, Duration(*value))) {
    return;
  }
  const std::int64_t asked = set_value(scratch_, change, *value);
  const std::int64_t distance = change == Change::kPrice ? *value : std::abs(asked - *value);
  MissingValues& values = changes_[static_cast<std::size_t>(change)];
  if (values.worth(distance) && Matcher(scratch_).fit(node, Supply::kFree)) {
    values.add(distance, *value);
  }
  scratch_.requirements = demand_.requirements;
  scratch_.rate_hour_max = demand_.rate_hour_max;
}

void GangRelaxationScan::try_shares(const Node& node) {
  const std::optional<RelaxationValues::Shares> shares = values_.shares_of(node);
  if (!shares) return;
  // What fits with the greatest fits with each.
  set_value(scratch_, Change::kShare, shares->high);
  if (Matcher(scratch_).fit(node, Supply::kFree)) {
    ++share_steps_[static_cast<std::size_t>(shares->low)];
    --share_steps_[static_cast<std::size_t>(shares->high + 1)];
  }
  scratch_.requirements = demand_.requirements;
}

std::optional<std::int64_t> GangRelaxationScan::nearest_share() const {
  const std::int64_t asked = matcher_.share();
  const std::int64_t nodes = nodes_of(demand_.requirements);
  std::optional<std::int64_t> nearest;
  std::int64_t roomy = 0;
  for (std::int64_t share = 1; share <= std::int64_t{kWholeDevice}; ++share) {
    roomy += share_steps_[static_cast<std::size_t>(share)];
    if (roomy < nodes || share == asked) continue;
    if (nearest && std::abs(asked - share) >= std::abs(asked - *nearest)) continue;
    nearest = share;
  }
  return nearest;
}

std::vector<GangChange> GangRelaxationScan::finish() const {
  std::vector<GangChange> found;
  const std::vector<Predicate>& predicates = demand_.query.predicates();
  for (std::size_t i = 0; i < predicates.size(); ++i) {
    if (is_comparison(predicates[i])) {
      if (const auto number = moved_[i].number()) {
        found.push_back({Change::kPredicate, i, *number, {}});
      }
    } else if (const auto& best = replaced_[i].best()) {
      found.push_back({Change::kPredicate, i, best->number, std::string(best->word)});
    }
  }
  const std::size_t matching = nodes_of(demand_.requirements) - missing_;
  for (std::size_t i = 0; i < changes_.size(); ++i) {
    const auto change = static_cast<Change>(i);
    std::optional<std::int64_t> number = changes_[i].number();
    if (change == Change::kShare) number = nearest_share();
    if (change == Change::kNodes && matching > 0) number = static_cast<std::int64_t>(matching);
    if (number) found.push_back({change, 0, *number, {}});
  }
  return found;
}

}  // namespace fallow::core
