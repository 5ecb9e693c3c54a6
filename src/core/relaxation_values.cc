// What of a node stands against a demand, and what it has instead. The scans stand in relaxation.cc
// and gang_relaxations.cc.
#include <algorithm>
#include <limits>

#include "core/egress.h"
#include "core/relaxation.h"

namespace fallow::core {
namespace {

// The most units of `unit_price` per thousandth that `room` pays for, each part rounded up.
std::int64_t affordable(Wide room, Wide unit_price) {
  constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
  if (room < 0) return -1;
  if (unit_price == 0) return kMax;
  const Wide units = room * 1'000 / unit_price;
  return units > kMax ? kMax : static_cast<std::int64_t>(units);
}

}  // namespace

bool is_of_devices(const Predicate& predicate) {
  return is_of_device(predicate.field) || predicate.field == Field::kNumGpus;
}

RelaxationValues::Failures RelaxationValues::failures_of(const Node& node) const {
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
  check(!too_long, Change::kDuration);
  check(matcher_.share() >= node.offer.share_thousandths_min, Change::kShare);
  const OfferPrice price =
      matcher_.spot() ? matcher_.price_of(node) : price_at(node.offer, demand_.quoted_at, term);
  check(node.facts.network() >= wanted.network() && takes_egress(demand_, price.egress_gb),
        Change::kNetwork);
  const std::vector<Predicate>& predicates = demand_.query.predicates();
  for (std::size_t i = 0; i < predicates.size() && failures.count < 2; ++i) {
    const Predicate& predicate = predicates[i];
    if (is_of_devices(predicate)) continue;
    const bool holds =
        is_word(predicate.field)
            ? predicate.holds(word_of(node, predicate.field))
            : predicate.holds(number_of(node, predicate.field, price.device_hour, price.egress_gb));
    if (holds) continue;
    failures.predicate = i;
    ++failures.count;
  }
  return failures;
}

RelaxationValues::Value RelaxationValues::value_of(const Predicate& predicate,
                                                   const Node& node) const {
  Value value;
  if (predicate.field == Field::kNumGpus) {
    value.number =
        std::count_if(node.devices.begin(), node.devices.end(),
                      [&](const NodeDevice& device) { return demand_.query.admits(device.facts); });
  } else if (is_word(predicate.field)) {
    value.word = word_of(node, predicate.field);
    return value;
  } else {
    const OfferPrice price = matcher_.price_of(node);
    value.number = number_of(node, predicate.field, price.device_hour, price.egress_gb);
  }
  value.distance = distance_to(predicate, value.number);
  return value;
}

RelaxationValues::Value RelaxationValues::value_of(const Predicate& predicate,
                                                   const v1::Device& device) {
  Value value;
  if (is_word(predicate.field)) {
    value.word = word_of(device, predicate.field);
  } else {
    value.number = number_of(device, predicate.field);
    value.distance = distance_to(predicate, value.number);
  }
  return value;
}

std::vector<std::int64_t> RelaxationValues::admitted_free(const Node& node) const {
  std::vector<std::int64_t> free;
  for (const NodeDevice& device : node.devices) {
    if (demand_.query.admits(device.facts)) free.push_back(device.free_thousandths);
  }
  std::sort(free.rbegin(), free.rend());
  return free;
}

std::optional<RelaxationValues::Shares> RelaxationValues::shares_of(const Node& node) const {
  const std::vector<std::int64_t> free = admitted_free(node);
  const std::int64_t gpus = matcher_.gpus();
  if (static_cast<std::int64_t>(free.size()) < gpus) return std::nullopt;
  const OfferPrice price = matcher_.price_of(node);
  const Wide disk_hour = price.disk_gb_hour.value;
  const Wide disk_part = (Wide{demand_.requirements.disk_mb()} * disk_hour + 999) / 1'000;
  const std::int64_t most = affordable(Wide{matcher_.rate_hour_max().value} - disk_part,
                                       Wide{gpus} * price.device_hour.value);
  const std::int64_t roomy = free[static_cast<std::size_t>(gpus - 1)];
  const Shares shares{std::max<std::int64_t>(1, node.offer.share_thousandths_min),
                      std::min({roomy, most, std::int64_t{kWholeDevice}})};
  if (shares.low > shares.high) return std::nullopt;
  return shares;
}

std::optional<std::int64_t> RelaxationValues::value_for(Change change, const Node& node) const {
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
  switch (change) {
    case Change::kPrice: {
      const Candidate priced = matcher_.priced(node);
      if (priced.rate_hour <= matcher_.rate_hour_max()) break;
      return priced.rate_hour.value;
    }
    case Change::kGpus: {
      if (gpus == 1) break;
      const std::vector<std::int64_t> free = admitted_free(node);
      const auto roomy =
          std::count_if(free.begin(), free.end(), [&](std::int64_t f) { return f >= share; });
      const std::int64_t most = affordable(limit - disk_part, Wide{share} * device_hour);
      return lower(std::min({gpus - 1, static_cast<std::int64_t>(roomy), most}), gpus);
    }
    case Change::kShare: {
      if (node.offer.share_thousandths_min == share) break;  // neither less nor more would help
      const std::optional<Shares> shares = shares_of(node);
      if (!shares) break;
      const std::int64_t nearest = std::clamp(share, shares->low, shares->high);
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

}  // namespace fallow::core
