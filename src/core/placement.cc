#include "core/placement.h"

#include <algorithm>
#include <limits>

#include "base/check.h"
#include "core/price_index.h"
#include "core/speed.h"
#include "core/spot.h"

namespace fallow::core {
namespace {

__extension__ using Wide = unsigned __int128;
constexpr std::uint64_t kThousand = 1'000;
constexpr std::int64_t kReliabilityWhole = 1'000'000;

std::int64_t saturate(Wide value) {
  constexpr Wide kMax = std::numeric_limits<std::int64_t>::max();
  return static_cast<std::int64_t>(value > kMax ? kMax : value);
}

Wide wide(Micros amount) {
  FALLOW_CHECK(amount.value >= 0, "a price of {} micros is negative", amount.value);
  return static_cast<Wide>(amount.value);
}

// count * price / 1000, rounded up.
Wide thousandths_of(std::uint64_t count, Micros price) {
  FALLOW_CHECK(price.value >= 0, "a price of {} micros is negative", price.value);
  std::uint64_t product = 0;
  if (!__builtin_mul_overflow(count, static_cast<std::uint64_t>(price.value), &product) &&
      product <= std::numeric_limits<std::uint64_t>::max() - kThousand) {
    return (product + (kThousand - 1)) / kThousand;  // nearly always; a wide division is slow
  }
  return (Wide{count} * wide(price) + (kThousand - 1)) / kThousand;
}

Wide devices_rate(std::uint32_t gpus, std::uint32_t share, Micros device_hour) {
  return thousandths_of(std::uint64_t{gpus} * share, device_hour);
}

// Price of a task per unit of work, with the runs that the node's record lets one expect.
std::int64_t cost_to_complete(Micros rate_hour, std::int64_t speed, std::int64_t reliability) {
  constexpr Wide kScale = 1'000'000'000'000;
  const auto work = static_cast<Wide>(std::max<std::int64_t>(speed, 1)) *
                    static_cast<Wide>(std::max<std::int64_t>(reliability, 1));
  return saturate(wide(rate_hour) * kScale / work);
}

std::uint32_t free_of(const NodeDevice& device, Supply supply) {
  return supply == Supply::kFree ? device.free_thousandths : kWholeDevice;
}

}  // namespace

OfferPrice price_at(const Offer& offer, Time quoted_at, Bracket term) {
  OfferPrice price{discounted(offer.device_hour, discount_in(offer.discounts, term)),
                   offer.disk_gb_hour, offer.device_hour, offer.discounts};
  if (quoted_at.us <= 0) return price;
  for (const FormerPrice& former : offer.former) {
    if (former.raised_at <= quoted_at) continue;
    const Micros then = discounted(former.device_hour, discount_in(former.discounts, term));
    if (then < price.device_hour) {
      price.device_hour = then;
      price.list_hour = former.device_hour;
      price.discounts = former.discounts;
    }
    price.disk_gb_hour = std::min(price.disk_gb_hour, former.disk_gb_hour);
    break;  // the first raise behind the quote ended the price that was quoted
  }
  return price;
}

bool is_offered(const Node& node) {
  return !node.removed && node.offer.id && !node.devices.empty();
}

bool is_open(const Node& node) {
  return is_offered(node) && node.connected && node.owner == v1::OWNER_AWAY &&
         std::any_of(node.devices.begin(), node.devices.end(), [&](const NodeDevice& device) {
           return device.free_thousandths >= std::max(node.offer.share_thousandths_min, 1U);
         });
}

std::uint32_t gpus_of(const v1::Requirements& requirements) {
  return std::max(requirements.gpus(), 1U);
}

std::uint32_t share_of(const v1::Requirements& requirements) {
  return requirements.device_thousandths() == 0 ? kWholeDevice : requirements.device_thousandths();
}

std::uint32_t nodes_of(const v1::Requirements& requirements) {
  return std::max(requirements.nodes(), 1U);
}

v1::Objective objective_of(const v1::Requirements& requirements) {
  return requirements.objective() == v1::OBJECTIVE_UNSPECIFIED ? v1::CHEAPEST
                                                               : requirements.objective();
}

namespace {

Micros task_rate(std::uint32_t gpus, std::uint32_t share, std::uint32_t disk_mb, Micros device_hour,
                 Micros disk_gb_hour) {
  // Megabytes are thousandths of a gigabyte.
  const Wide disk = disk_mb == 0 ? Wide{0} : thousandths_of(disk_mb, disk_gb_hour);
  return Micros(saturate(devices_rate(gpus, share, device_hour) + disk));
}

}  // namespace

Micros rate_of(const v1::Requirements& requirements, Micros device_hour, Micros disk_gb_hour) {
  return task_rate(gpus_of(requirements), share_of(requirements), requirements.disk_mb(),
                   device_hour, disk_gb_hour);
}

Matcher::Matcher(const Demand& demand)
    : demand_(demand),
      objective_(objective_of(demand.requirements)),
      gpus_(gpus_of(demand.requirements)),
      share_(share_of(demand.requirements)),
      term_(bracket_of(demand.requirements)),
      disk_mb_(demand.requirements.disk_mb()),
      rate_hour_max_(std::numeric_limits<std::int64_t>::max()),
      device_hour_max_(std::numeric_limits<std::int64_t>::max()) {
  for (const Predicate& predicate : demand.query.predicates()) {
    const bool bounded = predicate.op == Operator::kLess || predicate.op == Operator::kLessEqual ||
                         predicate.op == Operator::kEqual || predicate.op == Operator::kIn;
    if (predicate.field != Field::kPrice || !bounded) continue;
    device_hour_max_ =
        std::min(device_hour_max_,
                 Micros(*std::max_element(predicate.numbers.begin(), predicate.numbers.end())));
  }
  const Micros asked(demand.requirements.price_per_hour_micros_max());
  if (asked.value > 0) rate_hour_max_ = std::min(rate_hour_max_, asked);
  if (demand.rate_hour_max.value > 0) {
    rate_hour_max_ = std::min(rate_hour_max_, demand.rate_hour_max);
  }
}

bool Matcher::has_room(const Node& node, Supply supply) const {
  const v1::Requirements& wanted = demand_.requirements;
  if (spot() && !node.offer.spot) return false;
  if (node.facts.isolation() < wanted.isolation_min()) return false;
  if (share_ < node.offer.share_thousandths_min) return false;
  if (node.offer.duration_max && node.offer.duration_max.value < wanted.duration_us()) return false;
  if (supply == Supply::kOffered) {
    return node.facts.memory_mb() >= wanted.memory_mb() &&
           node.facts.cpu_thousandths() >= wanted.cpu_thousandths() &&
           node.facts.disk_mb() >= wanted.disk_mb();
  }
  return node.connected && node.owner == v1::OWNER_AWAY &&
         node.memory_mb_free >= wanted.memory_mb() &&
         node.cpu_thousandths_free >= wanted.cpu_thousandths() &&
         node.disk_mb_free >= wanted.disk_mb();
}

std::optional<Candidate> Matcher::fit(const Node& node, Supply supply, const Hints& hints) const {
  if (!is_offered(node) || !has_room(node, supply)) return std::nullopt;
  Candidate candidate = priced(node);
  if (candidate.rate_hour > rate_hour_max_) return std::nullopt;
  if (!demand_.query.admits(node, candidate.device_hour)) return std::nullopt;
  std::uint32_t admitted = 0;
  std::uint32_t with_room = 0;
  for (const NodeDevice& device : node.devices) {
    if (!hints.all_admitted && !demand_.query.admits(device.facts)) continue;
    ++admitted;
    if (free_of(device, supply) >= share_) ++with_room;
  }
  if (with_room < gpus_ || !demand_.query.admits_count(admitted)) return std::nullopt;
  if (objective_ != v1::CHEAPEST) {
    candidate.speed = std::numeric_limits<std::int64_t>::max();
    for (const std::size_t at : choose(node, supply)) {
      const std::int64_t speed =
          hints.speeds.empty() ? speed_of(node.devices[at].facts) : hints.speeds[at];
      candidate.speed = std::min(candidate.speed, speed);
    }
  }
  return candidate;
}

OfferPrice Matcher::price_of(const Node& node) const {
  if (!spot()) return price_at(node.offer, demand_.quoted_at, term_);
  const PriceIndex* const index = node.counted.index;
  const Micros clearing = index == nullptr || demand_.at_floor ? Micros(0) : index->spot;
  return {std::max(spot_floor(node.offer), clearing),
          node.offer.disk_gb_hour,
          node.offer.device_hour,
          {}};
}

Candidate Matcher::priced(const Node& node) const {
  const OfferPrice price = price_of(node);
  return Candidate{.device_hour = price.device_hour,
                   .disk_gb_hour = price.disk_gb_hour,
                   .rate_hour = rate(price.device_hour, price.disk_gb_hour)};
}

Micros Matcher::rate(Micros device_hour, Micros disk_gb_hour) const {
  return task_rate(gpus_, share_, disk_mb_, device_hour, disk_gb_hour);
}

Matcher::Positions Matcher::choose(const Node& node, Supply supply) const {
  Positions chosen;
  const auto index_of = [&](std::size_t at) { return node.devices[at].facts.index(); };
  for (std::size_t at = 0; at < node.devices.size(); ++at) {
    const NodeDevice& device = node.devices[at];
    if (free_of(device, supply) >= share_ && demand_.query.admits(device.facts))
      chosen.push_back(at);
  }
  std::sort(chosen.begin(), chosen.end(), [&](std::size_t a, std::size_t b) {
    const std::uint32_t free_a = free_of(node.devices[a], supply);
    const std::uint32_t free_b = free_of(node.devices[b], supply);
    return free_a != free_b ? free_a < free_b : index_of(a) < index_of(b);
  });
  if (chosen.size() > gpus_) chosen.resize(gpus_);
  std::sort(chosen.begin(), chosen.end(),
            [&](std::size_t a, std::size_t b) { return index_of(a) < index_of(b); });
  return chosen;
}

Placement Matcher::placement(const Node& node, const Candidate& candidate, Supply supply) const {
  Placement placement;
  placement.node = &node;
  for (const std::size_t at : choose(node, supply)) {
    placement.devices.push_back(node.devices[at].facts.index());
  }
  const OfferPrice price = price_of(node);
  placement.list_hour = price.list_hour;
  placement.discounts = price.discounts;
  placement.device_hour = candidate.device_hour;
  placement.disk_gb_hour = candidate.disk_gb_hour;
  placement.rate_hour = candidate.rate_hour;
  placement.free = supply == Supply::kFree;
  return placement;
}

Rank Matcher::rank(const Node& node, const Candidate& candidate) const {
  return rank(node.id, reliability_ppm(node), candidate);
}

Rank Matcher::rank(NodeId node, std::uint32_t reliability_ppm, const Candidate& candidate) const {
  const std::int64_t reliability = reliability_ppm;
  std::int64_t first = candidate.rate_hour.value;
  if (objective_ == v1::FASTEST) first = -candidate.speed;
  if (objective_ == v1::COST_TO_COMPLETE) {
    first = cost_to_complete(candidate.rate_hour, candidate.speed, reliability);
  }
  return Rank{first, candidate.rate_hour, -reliability, node};
}

Rank Matcher::bound(Micros device_hour, std::int64_t speed) const {
  const Micros rate(saturate(devices_rate(gpus_, share_, device_hour)));
  std::int64_t first = rate.value;
  if (objective_ == v1::FASTEST) first = -speed;
  if (objective_ == v1::COST_TO_COMPLETE) first = cost_to_complete(rate, speed, kReliabilityWhole);
  return Rank{first, rate, -kReliabilityWhole, NodeId(0)};
}

Micros Matcher::device_hour_from(Micros rate_hour) const {
  if (rate_hour.value <= 0) return Micros(0);
  const Wide below = (wide(rate_hour) - 1) * kThousand;
  return Micros(saturate(below / (Wide{gpus_} * share_) + 1));
}

std::uint32_t tasks_that_fit(const Demand& demand, const Node& node, std::uint32_t tasks_max) {
  const Matcher matcher(demand);
  if (tasks_max == 0 || !matcher.fit(node, Supply::kFree)) return 0;
  if (tasks_max == 1) return 1;
  const v1::Requirements& wanted = demand.requirements;
  // The node as each further task would find it.
  Node left = node;
  std::uint32_t tasks = 0;
  while (tasks < tasks_max && matcher.fit(left, Supply::kFree)) {
    for (const std::size_t at : matcher.choose(left, Supply::kFree)) {
      left.devices[at].free_thousandths -= matcher.share();
    }
    left.memory_mb_free -= wanted.memory_mb();
    left.cpu_thousandths_free -= wanted.cpu_thousandths();
    left.disk_mb_free -= wanted.disk_mb();
    ++tasks;
  }
  return tasks;
}

}  // namespace fallow::core
