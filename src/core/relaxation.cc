#include "core/relaxation.h"

#include <cstdlib>
#include <tuple>

namespace fallow::core {
namespace {

constexpr std::size_t kChanges = static_cast<std::size_t>(Change::kWait) + 1;

Demand cheapest(const Demand& demand) {
  Demand copy = demand;
  copy.requirements.set_objective(v1::CHEAPEST);
  copy.by_price = true;
  copy.requirements.clear_query();  // it is copied often, and stands parsed in copy.query
  copy.avoid = {};
  copy.barred = {};
  return copy;
}

}  // namespace

RelaxationScan::RelaxationScan(const Demand& demand)
    : demand_(cheapest(demand)),
      values_(demand_),
      matcher_(values_.matcher()),
      scratch_(demand_),
      predicates_(demand.query.predicates().size()),
      changes_(kChanges) {
  for (std::size_t i = 0; i < predicates_.size(); ++i) {
    lifted_.push_back(without_predicate(demand_, i));
  }
}

void RelaxationScan::consider(const Node& node) {
  if (!is_offered(node) || (matcher_.spot() && !node.offer.spot)) return;
  const RelaxationValues::Failures failures = values_.failures_of(node);
  if (!failures.predicate) try_wait(node);
  if (failures.count > 1 || failures.link) return;
  if (failures.predicate) return try_predicate(*failures.predicate, node);
  if (failures.change) return try_change(*failures.change, node);
  // The node itself would do: it is the price, or the devices.
  for (const Change change : {Change::kPrice, Change::kGpus, Change::kShare, Change::kDisk}) {
    try_change(change, node);
  }
  const std::vector<Predicate>& predicates = demand_.query.predicates();
  for (std::size_t i = 0; i < predicates.size(); ++i) {
    if (is_of_devices(predicates[i])) try_predicate(i, node);
  }
}

bool RelaxationScan::worth(std::size_t predicate, std::int64_t distance,
                           Micros rate_hour_min) const {
  const Found& found = predicates_[predicate];
  return !found.any ||
         std::tie(distance, rate_hour_min) <= std::tie(found.distance, found.rank.rate_hour);
}

void RelaxationScan::try_wait(const Node& node) {
  const auto candidate = matcher_.fit(node, Supply::kOffered);
  if (!candidate) return;
  ++waiting_;
  offer(changes_[static_cast<std::size_t>(Change::kWait)], 0, matcher_.rank(node, *candidate), 0);
}

bool RelaxationScan::better(const Found& found, std::int64_t distance, const Rank& rank,
                            std::int64_t number, std::string_view word) {
  const std::string_view found_word = found.word;
  return !found.any || std::tie(distance, rank, number, word) <
                           std::tie(found.distance, found.rank, found.number, found_word);
}

void RelaxationScan::offer(Found& found, std::int64_t distance, const Rank& rank,
                           std::int64_t number, std::string_view word) {
  if (!better(found, distance, rank, number, word)) return;
  found.any = true;
  found.distance = distance;
  found.rank = rank;
  found.number = number;
  found.word = word;
}

void RelaxationScan::try_predicate(std::size_t at, const Node& node) {
  const Predicate& predicate = demand_.query.predicates()[at];
  const Candidate priced = matcher_.priced(node);
  const Rank rank = matcher_.rank(node, priced);
  if (is_of_device(predicate.field)) {
    const v1::Device* last = nullptr;
    for (const NodeDevice& device : node.devices) {
      // Most nodes have one kind of device: the second says nothing new.
      const bool seen = last != nullptr && last->memory_mb() == device.facts.memory_mb() &&
                        last->kind() == device.facts.kind() &&
                        last->model() == device.facts.model();
      last = &device.facts;
      if (!seen && !predicate.holds(device.facts)) {
        try_device_value(at, node, device.facts, rank);
      }
    }
    return;
  }
  const auto [number, word, distance] = values_.value_of(predicate, node);
  if (!better(predicates_[at], distance, rank, number, word)) return;
  if (!Matcher(lifted_[at]).fit(node, Supply::kFree)) return;
  offer(predicates_[at], distance, rank, number, word);
}

// Widened as far as this device, are there enough? `rank` is the node's in any case.
void RelaxationScan::try_device_value(std::size_t at, const Node& node, const v1::Device& device,
                                      const Rank& rank) {
  const Predicate& predicate = demand_.query.predicates()[at];
  const auto [number, word, distance] = RelaxationValues::value_of(predicate, device);
  Found& found = predicates_[at];
  if (!better(found, distance, rank, number, word)) return;
  if (!Matcher(lifted_[at]).fit(node, Supply::kFree)) return;  // before the costly one
  const Demand demand = widened(demand_, at, number, word);
  if (!Matcher(demand).fit(node, Supply::kFree)) return;
  offer(found, distance, rank, number, word);
}

void RelaxationScan::try_change(Change change, const Node& node) {
  const std::optional<std::int64_t> value = values_.value_for(change, node);
  if (!value) return;
  const std::int64_t asked = set_value(scratch_, change, *value);
  const Matcher matcher(scratch_);
  if (const auto candidate = matcher.fit(node, Supply::kFree)) {
    offer(changes_[static_cast<std::size_t>(change)], std::abs(asked - *value),
          matcher.rank(node, *candidate), *value);
  }
  scratch_.requirements = demand_.requirements;
  scratch_.rate_hour_max = demand_.rate_hour_max;
}

std::vector<v1::Relaxation> RelaxationScan::finish() const {
  std::vector<v1::Relaxation> answers;
  for (std::size_t i = 0; i < predicates_.size(); ++i) {
    const Found& found = predicates_[i];
    if (!found.any) continue;
    const Predicate& predicate = demand_.query.predicates()[i];
    answers.push_back(is_word(predicate.field)
                          ? relaxation_of(predicate, found.word, found.rank.rate_hour)
                          : relaxation_of(predicate, found.number, found.rank.rate_hour));
  }
  for (std::size_t i = 0; i < kChanges; ++i) {
    const Found& found = changes_[i];
    if (!found.any) continue;
    const auto change = static_cast<Change>(i);
    answers.push_back(relaxation_of(change, demand_.requirements,
                                    change == Change::kWait ? waiting_ : found.number,
                                    found.rank.rate_hour));
  }
  order_relaxations(answers);
  return answers;
}

}  // namespace fallow::core
