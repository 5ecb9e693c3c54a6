#include "core/placement.h"

#include <algorithm>
#include <limits>

#include "base/check.h"
#include "base/money.h"
#include "core/egress.h"
#include "core/price_index.h"
#include "core/spot.h"

namespace fallow::core {
namespace {

constexpr std::uint64_t kThousand = 1'000;
constexpr std::uint32_t kReliabilityWhole = 1'000'000;
constexpr std::uint32_t kPerMicro = 1'000;  // billionths
constexpr std::int64_t kStrandedMost = 4;   // times the devices taken

std::int64_t saturate(UnsignedWide value) {
  constexpr UnsignedWide kMax = std::numeric_limits<std::int64_t>::max();
  return static_cast<std::int64_t>(value > kMax ? kMax : value);
}

UnsignedWide wide(Micros amount) {
  FALLOW_CHECK(amount.value >= 0, "a price of {} micros is negative", amount.value);
  return static_cast<UnsignedWide>(amount.value);
}

// count * price / 1000, rounded up.
UnsignedWide thousandths_of(std::uint64_t count, Micros price) {
  FALLOW_CHECK(price.value >= 0, "a price of {} micros is negative", price.value);
  std::uint64_t product = 0;
  if (!__builtin_mul_overflow(count, static_cast<std::uint64_t>(price.value), &product) &&
      product <= std::numeric_limits<std::uint64_t>::max() - kThousand) {
    return (product + (kThousand - 1)) / kThousand;  // nearly always; a wide division is slow
  }
  return (UnsignedWide{count} * wide(price) + (kThousand - 1)) / kThousand;
}

UnsignedWide devices_rate(std::uint32_t gpus, std::uint32_t share, Micros device_hour) {
  return thousandths_of(std::uint64_t{gpus} * share, device_hour);
}

std::uint32_t free_of(const NodeDevice& device, Supply supply) {
  return supply == Supply::kFree ? device.free_thousandths : kWholeDevice;
}

}  // namespace

OfferPrice price_at(const Offer& offer, Time quoted_at, Bracket term) {
  OfferPrice price{discounted(offer.device_hour, discount_in(offer.discounts, term)),
                   offer.disk_gb_hour, offer.device_hour, offer.discounts, offer.egress_gb};
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
    price.egress_gb = std::min(price.egress_gb, former.egress_gb);
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
  const UnsignedWide disk = disk_mb == 0 ? UnsignedWide{0} : thousandths_of(disk_mb, disk_gb_hour);
  return Micros(saturate(devices_rate(gpus, share, device_hour) + disk));
}

}  // namespace

Micros rate_of(const v1::Requirements& requirements, Micros device_hour, Micros disk_gb_hour) {
  return task_rate(gpus_of(requirements), share_of(requirements), requirements.disk_mb(),
                   device_hour, disk_gb_hour);
}

Matcher::Matcher(const Demand& demand, const Scoring& scoring)
    : demand_(demand),
      scoring_(scoring),
      objective_(objective_of(demand.requirements)),
      workload_(workload_of(demand.requirements)),
      span_(survival_span(Duration(demand.requirements.duration_us()))),
      gpus_(gpus_of(demand.requirements)),
      share_(share_of(demand.requirements)),
      term_(bracket_of(demand.requirements)),
      disk_mb_(demand.requirements.disk_mb()),
      rate_hour_max_(std::numeric_limits<std::int64_t>::max()),
      device_hour_max_(std::numeric_limits<std::int64_t>::max()) {
  if (objective_ != v1::FASTEST && !spot() && !demand.by_price) {
    if (!scoring.mix.empty()) fragmentation_weight_ = scoring.fragmentation_weight;
    // For what fits where this task does, nothing that it takes was a fragment before. Both
    // measures are rounded down.
    const std::int64_t useful = scoring.mix.within({gpus_, share_}) * gpus_ * share_;
    stranded_min_ = static_cast<std::uint32_t>(std::max<std::int64_t>(useful / kSurely - 2, 0));
    // In the cost to complete it counts by reruns.
    if (objective_ == v1::CHEAPEST) survival_weight_ = scoring.survival_weight;
    if (!demand.requirements.near().empty()) locality_weight_ = scoring.locality_weight;
    scarcity_weight_ = scoring.scarcity_weight;
  }
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
  if (node.facts.network() < wanted.network()) return false;
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
  if (!takes_egress(demand_, candidate.egress_gb)) return std::nullopt;
  if (!demand_.query.admits(node, candidate.device_hour, candidate.egress_gb)) return std::nullopt;
  std::uint32_t admitted = 0;
  std::uint32_t with_room = 0;
  for (const NodeDevice& device : node.devices) {
    if (!hints.all_admitted && !demand_.query.admits(device.facts)) continue;
    ++admitted;
    if (free_of(device, supply) >= share_) ++with_room;
  }
  if (with_room < gpus_ || !demand_.query.admits_count(admitted)) return std::nullopt;
  if (objective_ == v1::CHEAPEST && !scored()) return candidate;
  const Positions chosen = choose(node, supply);
  if (objective_ != v1::CHEAPEST) {
    candidate.speed = std::numeric_limits<std::int64_t>::max();
    for (const std::size_t at : chosen) {
      const std::int64_t speed = hints.speeds.empty()
                                     ? scoring_.speeds.of(node.devices[at].facts)[workload_]
                                     : hints.speeds[at];
      candidate.speed = std::min(candidate.speed, speed);
    }
  }
  candidate.lasting_ppm = lasting_ppm(node.survival.codes[span_], reliability_ppm(node));
  if (weighs_fragments()) candidate.stranded = stranded(node, supply, chosen);
  if (weighs_locality()) {
    candidate.elsewhere =
        canonical_word(node.facts.region()) != canonical_word(demand_.requirements.near());
  }
  if (weighs_scarcity()) candidate.scarce = scarcity(node);
  return candidate;
}

OfferPrice Matcher::price_of(const Node& node) const {
  if (!spot()) return price_at(node.offer, demand_.quoted_at, term_);
  const PriceIndex* const index = node.counted.index;
  const Micros clearing = index == nullptr || demand_.at_floor ? Micros(0) : index->spot;
  return {std::max(spot_floor(node.offer), clearing),
          node.offer.disk_gb_hour,
          node.offer.device_hour,
          {},
          node.offer.egress_gb};
}

Candidate Matcher::priced(const Node& node) const {
  const OfferPrice price = price_of(node);
  return Candidate{.device_hour = price.device_hour,
                   .disk_gb_hour = price.disk_gb_hour,
                   .rate_hour = rate(price.device_hour, price.disk_gb_hour),
                   .egress_gb = price.egress_gb};
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
  placement.egress_gb = price.egress_gb;
  placement.discounts = price.discounts;
  placement.device_hour = candidate.device_hour;
  placement.disk_gb_hour = candidate.disk_gb_hour;
  placement.rate_hour = candidate.rate_hour;
  placement.free = supply == Supply::kFree;
  return placement;
}

std::uint32_t Matcher::lasting_ppm(SurvivalCode known, std::uint32_t reliability_ppm) const {
  if (known == 0) known = scoring_.survival.codes[span_];
  return known == 0 ? reliability_ppm : std::min(survival_ppm(known), reliability_ppm);
}

SurvivalCode Matcher::unknown_lasting() const {
  const SurvivalCode known = scoring_.survival.codes[span_];
  return known == 0 ? static_cast<SurvivalCode>(kSurelyCode) : known;
}

// What lasts likelier ranks no worse, so the codes that rank behind are the first ones.
SurvivalCode Matcher::behind_up_to(Candidate candidate, std::int64_t first) const {
  std::uint32_t behind = 0;
  for (std::uint32_t bit = 128; bit > 0; bit /= 2) {
    candidate.lasting_ppm = survival_ppm(static_cast<SurvivalCode>(behind | bit));
    if (first_of(candidate) > first) behind |= bit;
  }
  return static_cast<SurvivalCode>(behind);
}

std::uint32_t Matcher::scarcity(const Node& node) const {
  const PriceIndex* const index = node.counted.index;
  return index == nullptr ? 0 : index->scarcity(scoring_.now, scoring_.use_target);
}

std::uint32_t Matcher::stranded(const Node& node, Supply supply,
                                std::span<const std::size_t> positions) const {
  boost::container::small_vector<std::uint32_t, 16> free;
  for (const NodeDevice& device : node.devices) free.push_back(free_of(device, supply));
  const std::int64_t before = scoring_.mix.fragments({free.data(), free.size()});
  for (const std::size_t at : positions) free[at] -= share_;
  const std::int64_t after = scoring_.mix.fragments({free.data(), free.size()});
  return added(before, after);
}

std::uint32_t Matcher::stranded(std::uint32_t whole) const {
  const std::int64_t before = scoring_.mix.fragments(whole);
  const std::int64_t after =
      share_ == kWholeDevice ? scoring_.mix.fragments(whole - gpus_)
                             : scoring_.mix.fragments(whole - gpus_, gpus_, kWholeDevice - share_);
  return added(before, after);
}

// What was a fragment before and is taken now was none for this task. At least 0 but for rounding.
std::uint32_t Matcher::added(std::int64_t before, std::int64_t after) const {
  const std::int64_t taken = std::int64_t{gpus_} * share_;
  return static_cast<std::uint32_t>(
      std::clamp<std::int64_t>(after + taken - before, 0, kStrandedMost * taken));
}

Candidate Matcher::least(Micros device_hour, Micros disk_gb_hour, std::int64_t speed,
                         std::uint32_t lasting_ppm) const {
  return {.device_hour = device_hour,
          .disk_gb_hour = disk_gb_hour,
          .rate_hour = rate(device_hour, disk_gb_hour),
          .speed = speed,
          .lasting_ppm = lasting_ppm,
          .stranded = stranded_min_};
}

// An hour of the task with all that the policy weighs beside, in billionths. Nearly always all of
// it fits 64 bits; a wide division is slow.
template <class Number>
std::int64_t Matcher::weighed(const Candidate& candidate) const {
  const auto rate = static_cast<Number>(candidate.rate_hour.value);
  Number sum = rate * kPerMicro;
  if (fragmentation_weight_ > 0) {
    // Thousandths of devices at their price, a thousandth of it a micro.
    sum += static_cast<Number>(candidate.device_hour.value) * candidate.stranded *
           fragmentation_weight_ / kBasisPoints;
  }
  if (survival_weight_ > 0) {
    sum += rate * (kSurely - candidate.lasting_ppm) * survival_weight_ /
           (kBasisPoints * (kSurely / kPerMicro));
  }
  if (locality_weight_ > 0 && candidate.elsewhere) {
    sum += rate * kPerMicro * locality_weight_ / kBasisPoints;
  }
  if (scarcity_weight_ > 0) {
    sum += rate * candidate.scarce * scarcity_weight_ / (kBasisPoints * (kBasisPoints / kPerMicro));
  }
  return saturate(sum);
}

std::int64_t Matcher::weighed_rate(const Candidate& candidate) const {
  // Times 10^6 and 10^4, or 64,000 and 10^4, this stays below 2^63.
  constexpr Micros kNarrow(std::int64_t{1} << 29U);
  const bool narrow = candidate.rate_hour < kNarrow && candidate.device_hour < kNarrow;
  return narrow ? weighed<std::uint64_t>(candidate) : weighed<UnsignedWide>(candidate);
}

// CHEAPEST: the price; weighed, in billionths, when anything but it counts. COST_TO_COMPLETE: what
// the work costs on the node.
std::int64_t Matcher::first_of(const Candidate& candidate) const {
  if (objective_ == v1::FASTEST) return -candidate.speed;
  const std::int64_t rate = scored() ? weighed_rate(candidate) : candidate.rate_hour.value;
  return objective_ == v1::CHEAPEST ? rate : cost_to_complete(candidate, rate);
}

// A task of its longest time on an RTX 3090, and a start, as often as it is to be run until the
// node lasts; in billionths. Where a start costs nothing, the time is the same factor for all, and
// left out: so it was before starts had a cost, and so logs of then mean what they meant.
std::int64_t Matcher::cost_to_complete(const Candidate& candidate, std::int64_t rate) const {
  const auto speed = static_cast<std::uint64_t>(std::max<std::int64_t>(candidate.speed, 1));
  const std::uint64_t lasting = std::max(candidate.lasting_ppm, 1U);
  if (scoring_.start_cost.value == 0) {
    constexpr UnsignedWide kScale = 1'000'000'000'000;
    return saturate(static_cast<UnsignedWide>(rate) * kScale / (UnsignedWide{speed} * lasting));
  }
  const std::int64_t asked = demand_.requirements.duration_us();
  const auto work = static_cast<std::uint64_t>(asked > 0 ? asked : kHour.value);
  const auto start = static_cast<std::uint64_t>(scoring_.start_cost.value);
  const std::uint64_t time = work * kSpeedUnit / speed + start;
  const std::uint64_t hour = static_cast<std::uint64_t>(kHour.value) / (scored() ? 1 : kPerMicro);
  const auto product = static_cast<std::uint64_t>(rate);
  std::uint64_t narrow = 0;
  if (!__builtin_mul_overflow(product, time, &narrow) &&
      !__builtin_mul_overflow(narrow / hour, std::uint64_t{kSurely}, &narrow)) {
    return saturate(narrow / lasting);  // nearly always; as above
  }
  return saturate(UnsignedWide{product} * time / hour * kSurely / lasting);
}

Rank Matcher::rank(const Node& node, const Candidate& candidate) const {
  return rank(node.id, reliability_ppm(node), candidate);
}

Rank Matcher::rank(NodeId node, std::uint32_t reliability_ppm, const Candidate& candidate) const {
  return Rank{first_of(candidate), candidate.rate_hour, -std::int64_t{reliability_ppm}, node};
}

Rank Matcher::bound(Micros device_hour, std::int64_t speed) const {
  return rank(NodeId(0), kReliabilityWhole, least(device_hour, Micros(0), speed));
}

Micros Matcher::device_hour_from(Micros rate_hour) const {
  if (rate_hour.value <= 0) return Micros(0);
  const UnsignedWide below = (wide(rate_hour) - 1) * kThousand;
  return Micros(saturate(below / (UnsignedWide{gpus_} * share_) + 1));
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
