#include "core/relaxation.h"

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <tuple>
#include <utility>

#include "base/check.h"

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

// Without a predicate; and without those on num_gpus where the admitted devices change, for more of
// them may be too many. What fits then is a first sieve.
Demand without_predicate(const Demand& demand, std::size_t at) {
  std::vector<Predicate> predicates = demand.query.predicates();
  const bool of_device = is_of_device(predicates[at].field);
  for (std::size_t i = 0; i < predicates.size(); ++i) {
    if (i != at && !(of_device && predicates[i].field == Field::kNumGpus)) continue;
    predicates[i].op = Operator::kAny;
    predicates[i].numbers.clear();
    predicates[i].words.clear();
  }
  Demand copy = demand;
  copy.query = Query(std::move(predicates));
  return copy;
}

bool is_of_devices(const Predicate& predicate) {
  return is_of_device(predicate.field) || predicate.field == Field::kNumGpus;
}

// The most units of `unit_price` per thousandth that `room` pays for, each part rounded up.
std::int64_t affordable(Wide room, Wide unit_price) {
  constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
  if (room < 0) return -1;
  if (unit_price == 0) return kMax;
  const Wide units = room * 1'000 / unit_price;
  return units > kMax ? kMax : static_cast<std::int64_t>(units);
}

}  // namespace

RelaxationScan::RelaxationScan(const Demand& demand)
    : demand_(cheapest(demand)),
      matcher_(demand_),
      scratch_(demand_),
      predicates_(demand.query.predicates().size()),
      changes_(kChanges) {
  for (std::size_t i = 0; i < predicates_.size(); ++i) {
    lifted_.push_back(without_predicate(demand_, i));
  }
}

void RelaxationScan::consider(const Node& node) {
  if (!is_offered(node) || (matcher_.spot() && !node.offer.spot)) return;
  const Failures failures = failures_of(node);
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

RelaxationScan::Failures RelaxationScan::failures_of(const Node& node) const {
  const v1::Requirements& wanted = demand_.requirements;
  Failures failures;
  if (!node.connected || node.owner != v1::OWNER_AWAY) {
    failures.link = true;
    ++failures.count;
  }
  const auto check = [&](bool holds, Change change) {
    if (holds) return;
    failures.change = change;
    ++failures.count;
  };
  // With a shorter term it can only match at that term's price.
  const bool too_long =
      node.offer.duration_max && node.offer.duration_max.value < wanted.duration_us();
  const Bracket term = too_long && wanted.tier() == v1::RESERVED
                           ? bracket_of(node.offer.duration_max)
                           : matcher_.term();
  check(node.memory_mb_free >= wanted.memory_mb(), Change::kMemory);
  check(node.cpu_thousandths_free >= wanted.cpu_thousandths(), Change::kCpu);
  check(node.disk_mb_free >= wanted.disk_mb(), Change::kDisk);
  check(node.facts.isolation() >= wanted.isolation_min(), Change::kIsolation);
  check(node.facts.network() >= wanted.network(), Change::kNetwork);
  check(!too_long, Change::kDuration);
  check(matcher_.share() >= node.offer.share_thousandths_min, Change::kShare);
  const Micros device_hour = matcher_.spot()
                                 ? matcher_.price_of(node).device_hour
                                 : price_at(node.offer, demand_.quoted_at, term).device_hour;
  const std::vector<Predicate>& predicates = demand_.query.predicates();
  for (std::size_t i = 0; i < predicates.size() && failures.count < 2; ++i) {
    const Predicate& predicate = predicates[i];
    if (is_of_devices(predicate)) continue;
    const bool holds = is_word(predicate.field)
                           ? predicate.holds(word_of(node, predicate.field))
                           : predicate.holds(number_of(node, predicate.field, device_hour));
    if (holds) continue;
    failures.predicate = i;
    ++failures.count;
  }
  return failures;
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
  std::int64_t number = 0;
  std::string_view word;
  if (predicate.field == Field::kNumGpus) {
    number = std::count_if(node.devices.begin(), node.devices.end(), [&](const NodeDevice& device) {
      return demand_.query.admits(device.facts);
    });
  } else if (is_word(predicate.field)) {
    word = word_of(node, predicate.field);
  } else {
    number = number_of(node, predicate.field, priced.device_hour);
  }
  const std::int64_t distance = is_word(predicate.field) ? 0 : distance_to(predicate, number);
  if (!better(predicates_[at], distance, rank, number, word)) return;
  if (!Matcher(lifted_[at]).fit(node, Supply::kFree)) return;
  offer(predicates_[at], distance, rank, number, word);
}

// Widened as far as this device, are there enough? `rank` is the node's in any case.
void RelaxationScan::try_device_value(std::size_t at, const Node& node, const v1::Device& device,
                                      const Rank& rank) {
  const Predicate& predicate = demand_.query.predicates()[at];
  const bool is_words = is_word(predicate.field);
  const std::int64_t number = is_words ? 0 : number_of(device, predicate.field);
  const std::string_view word = is_words ? word_of(device, predicate.field) : std::string_view();
  const std::int64_t distance = is_words ? 0 : distance_to(predicate, number);
  Found& found = predicates_[at];
  if (!better(found, distance, rank, number, word)) return;
  if (!Matcher(lifted_[at]).fit(node, Supply::kFree)) return;  // before the costly one
  std::vector<Predicate> predicates = demand_.query.predicates();
  predicates[at] = is_words ? widened(predicate, word) : widened(predicate, number);
  Demand demand = demand_;
  demand.query = Query(std::move(predicates));
  if (!Matcher(demand).fit(node, Supply::kFree)) return;
  offer(found, distance, rank, number, word);
}

std::optional<std::int64_t> RelaxationScan::value_for(Change change, const Node& node) const {
  const v1::Requirements& wanted = demand_.requirements;
  const OfferPrice price = matcher_.price_of(node);
  const std::int64_t gpus = matcher_.gpus();
  const std::int64_t share = matcher_.share();
  const Wide limit = matcher_.rate_hour_max().value;
  const Wide device_hour = price.device_hour.value;
  const Wide disk_hour = price.disk_gb_hour.value;
  const Wide devices_part = (Wide{gpus} * share * device_hour + 999) / 1'000;
  const Wide disk_part = (Wide{wanted.disk_mb()} * disk_hour + 999) / 1'000;
  const auto lower = [](std::int64_t value, std::int64_t asked) -> std::optional<std::int64_t> {
    if (value < 1 || value >= asked) return std::nullopt;
    return value;
  };
  const auto admitted_free = [&] {
    std::vector<std::int64_t> free;
    for (const NodeDevice& device : node.devices) {
      if (demand_.query.admits(device.facts)) free.push_back(device.free_thousandths);
    }
    std::sort(free.rbegin(), free.rend());
    return free;
  };
  switch (change) {
    case Change::kPrice: {
      const Candidate priced = matcher_.priced(node);
      if (priced.rate_hour <= matcher_.rate_hour_max()) break;
      return priced.rate_hour.value;
    }
    case Change::kGpus: {
      if (gpus == 1) break;
      const std::vector<std::int64_t> free = admitted_free();
      const auto roomy =
          std::count_if(free.begin(), free.end(), [&](std::int64_t f) { return f >= share; });
      const std::int64_t most = affordable(limit - disk_part, Wide{share} * device_hour);
      return lower(std::min({gpus - 1, static_cast<std::int64_t>(roomy), most}), gpus);
    }
    case Change::kShare: {
      if (node.offer.share_thousandths_min == share) break;  // neither less nor more would help
      const std::vector<std::int64_t> free = admitted_free();
      if (static_cast<std::int64_t>(free.size()) < gpus) break;
      const std::int64_t most = affordable(limit - disk_part, Wide{gpus} * device_hour);
      const std::int64_t roomy = free[static_cast<std::size_t>(gpus - 1)];
      const std::int64_t high = std::min({roomy, most, std::int64_t{kWholeDevice}});
      const std::int64_t low = std::max<std::int64_t>(1, node.offer.share_thousandths_min);
      if (low > high) break;
      const std::int64_t nearest = std::clamp(share, low, high);
      if (nearest == share) break;
      return nearest;
    }
    case Change::kDuration:
      return lower(node.offer.duration_max.value, wanted.duration_us());
    case Change::kMemory:
      return lower(node.memory_mb_free, wanted.memory_mb());
    case Change::kCpu:
      return lower(node.cpu_thousandths_free, wanted.cpu_thousandths());
    case Change::kDisk: {
      const std::int64_t asked = wanted.disk_mb();
      const std::int64_t most = affordable(limit - devices_part, disk_hour);
      return lower(std::min({std::int64_t{node.disk_mb_free}, most, asked - 1}), asked);
    }
    case Change::kIsolation:
      return lower(node.facts.isolation(), wanted.isolation_min());
    case Change::kNetwork:
      if (wanted.network() == v1::NETWORK_NONE) break;
      return v1::NETWORK_NONE;
    case Change::kPredicate:
    case Change::kNodes:
    case Change::kWait:
      break;
  }
  return std::nullopt;
}

void RelaxationScan::try_change(Change change, const Node& node) {
  const std::optional<std::int64_t> value = value_for(change, node);
  if (!value) return;
  v1::Requirements& requirements = scratch_.requirements;
  const auto narrow = static_cast<std::uint32_t>(*value);
  std::int64_t asked = *value;
  switch (change) {
    case Change::kPrice:
      requirements.set_price_per_hour_micros_max(0);
      scratch_.rate_hour_max = Micros(0);
      break;
    case Change::kGpus:
      asked = matcher_.gpus();
      requirements.set_gpus(narrow);
      break;
    case Change::kShare:
      asked = matcher_.share();
      requirements.set_device_thousandths(narrow);
      break;
    case Change::kDuration:
      asked = requirements.duration_us();
      requirements.set_duration_us(*value);
      break;
    case Change::kMemory:
      asked = requirements.memory_mb();
      requirements.set_memory_mb(narrow);
      break;
    case Change::kCpu:
      asked = requirements.cpu_thousandths();
      requirements.set_cpu_thousandths(narrow);
      break;
    case Change::kDisk:
      asked = requirements.disk_mb();
      requirements.set_disk_mb(narrow);
      break;
    case Change::kIsolation:
      asked = requirements.isolation_min();
      requirements.set_isolation_min(static_cast<v1::Isolation>(*value));
      break;
    case Change::kNetwork:
      asked = requirements.network();
      requirements.set_network(static_cast<v1::Network>(*value));
      break;
    case Change::kPredicate:
    case Change::kNodes:
    case Change::kWait:
      FALLOW_CHECK(false, "change {} has no value", static_cast<int>(change));
  }
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
  std::stable_sort(answers.begin(), answers.end(),
                   [](const v1::Relaxation& a, const v1::Relaxation& b) {
                     return a.task_hour_micros() < b.task_hour_micros();
                   });
  if (answers.size() > kRelaxationsMax) answers.resize(kRelaxationsMax);
  return answers;
}

}  // namespace fallow::core
