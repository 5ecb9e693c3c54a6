#include "core/price_index.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/money.h"
#include "core/query.h"

namespace fallow::core {
namespace {

constexpr std::int64_t kUsPerMs = 1'000;
constexpr std::int64_t kCountMax = std::int64_t{1} << 62;

std::int64_t within(Wide value, Wide most) {
  return static_cast<std::int64_t>(std::clamp<Wide>(value, -most, most));
}

}  // namespace

PriceIndexes::Capacity PriceIndexes::capacity_of(const Node& node) {
  const bool open = node.connected && node.owner == v1::OWNER_AWAY && node.offer.id.value != 0;
  Capacity capacity;
  for (const NodeDevice& device : node.devices) {
    const std::uint32_t used = kWholeDevice - device.free_thousandths;
    capacity.leased_thousandths += used;
    capacity.offered_thousandths += open ? kWholeDevice : used;  // what is in use was offered
  }
  return capacity;
}

PriceClass price_class_of(const Node& node) {
  return {node.devices.empty() ? "" : canonical_word(node.devices.front().facts.model()),
          node.facts.region()};
}

std::uint32_t PriceIndex::use_basis_points() const {
  if (offered_ms <= 0) return 0;
  const Wide use = Wide{leased_ms} * kBasisPoints / offered_ms;
  return static_cast<std::uint32_t>(std::min<Wide>(use, kBasisPoints));
}

std::uint32_t PriceIndex::scarcity(Time now, std::uint32_t target_basis_points) const {
  const std::int64_t beyond = kBasisPoints - target_basis_points;
  const std::int64_t expected = std::min<std::int64_t>(expected_use_basis_points, kBasisPoints);
  if (!is_expected(now) || beyond <= 0 || expected <= target_basis_points) return 0;
  return static_cast<std::uint32_t>((expected - target_basis_points) * kBasisPoints / beyond);
}

void PriceIndexes::place(Node& node, Time now) {
  const bool belongs = !node.removed && !node.devices.empty();
  PriceClass key = price_class_of(node);
  PriceIndex* const old = node.counted.index;
  if (belongs && old != nullptr && old->key == key) return count(node, now);
  if (old != nullptr) {
    count_time(*old, now);
    leave(node);
    if (old->nodes == 0) classes_.erase(PriceClass(old->key));
  }
  node.priced = false;
  if (!belongs) return;
  auto found = classes_.find(key);
  if (found == classes_.end()) {
    if (classes_.size() >= classes_max_) return;
    auto index = std::make_unique<PriceIndex>();
    index->key = key;
    index->counted_to = now;
    index->began_at = now;
    found = classes_.emplace(std::move(key), std::move(index)).first;
  }
  node.priced = true;
  node.counted.index = found->second.get();
  ++node.counted.index->nodes;
  count(node, now);
}

void PriceIndexes::leave(Node& node) {
  PriceIndex& index = *node.counted.index;
  index.offered_thousandths -= node.counted.offered_thousandths;
  index.leased_thousandths -= node.counted.leased_thousandths;
  --index.nodes;
  node.counted = {};
}

void PriceIndexes::count(Node& node, Time now) {
  if (node.counted.index == nullptr) return;
  const Capacity capacity = capacity_of(node);
  if (capacity.offered_thousandths == node.counted.offered_thousandths &&
      capacity.leased_thousandths == node.counted.leased_thousandths) {
    return;
  }
  count_time(*node.counted.index, now);
  add(node, capacity);
}

void PriceIndexes::add(Node& node, Capacity capacity) {
  PriceIndex& index = *node.counted.index;
  index.offered_thousandths += capacity.offered_thousandths;
  index.offered_thousandths -= node.counted.offered_thousandths;
  index.leased_thousandths += capacity.leased_thousandths;
  index.leased_thousandths -= node.counted.leased_thousandths;
  node.counted.offered_thousandths = capacity.offered_thousandths;
  node.counted.leased_thousandths = capacity.leased_thousandths;
}

void PriceIndexes::offered(const Node& node, Micros device_hour) {
  PriceIndex* const index = node.counted.index;
  if (index == nullptr || index->value.value != 0) return;
  index->value = std::max(device_hour, Micros(1));
  index->open = index->value;
}

void PriceIndexes::traded(const Node& node, Micros device_hour, std::uint64_t thousandths) {
  PriceIndex* const index = node.counted.index;
  if (index == nullptr || thousandths == 0) return;
  index->low = index->trades == 0 ? device_hour : std::min(index->low, device_hour);
  index->high = std::max(index->high, device_hour);
  ++index->trades;
  index->traded_thousandths += thousandths;
  const Wide share = Wide{device_hour.value - index->mean.value} * thousandths;
  index->mean += Micros(static_cast<std::int64_t>(share / index->traded_thousandths));
}

PriceIndex* PriceIndexes::find(const PriceClass& key) {
  const auto found = classes_.find(key);
  return found == classes_.end() ? nullptr : found->second.get();
}

bool PriceIndexes::restore(PriceIndex index) {
  PriceClass key = index.key;
  return classes_.emplace(std::move(key), std::make_unique<PriceIndex>(std::move(index))).second;
}

bool PriceIndexes::restore(Node& node) {
  if (!node.priced) return true;
  const auto found = classes_.find(price_class_of(node));
  if (found == classes_.end()) return false;
  node.counted.index = found->second.get();
  ++node.counted.index->nodes;
  add(node, capacity_of(node));
  return true;
}

Micros PriceIndexes::moved(const PriceIndex& index, const IndexRules& rules, Time time) {
  const std::int64_t now = index.value.value;
  const std::int64_t target = rules.target_basis_points;
  FALLOW_CHECK(target > 0 && target < kBasisPoints, "a target of {} basis points", target);
  // At least one micro, or the cheapest could never move.
  const Wide step = std::max<Wide>(Wide{now} * rules.step_basis_points / kBasisPoints,
                                   rules.step_basis_points > 0 ? 1 : 0);
  Wide push = 0;
  if (index.offered_ms > 0) {
    std::int64_t use = index.use_basis_points();
    if (index.is_expected(time)) {
      // More than there is to lease cannot be used.
      const std::int64_t expected =
          std::min<std::int64_t>(index.expected_use_basis_points, kBasisPoints);
      const std::int64_t weight = rules.forecast_basis_points;
      use = (use * (kBasisPoints - weight) + expected * weight) / kBasisPoints;
    }
    const std::int64_t over = use - target;
    push = step * over / (over > 0 ? kBasisPoints - target : target);
  }
  const Wide pull = index.trades == 0 ? 0 : (Wide{index.mean.value} - now) / 2;
  return std::clamp(Micros(now + within(push + pull, step)), Micros(1), rules.value_max);
}

void PriceIndexes::count_time(PriceIndex& index, Time now) {
  const std::int64_t ms = (now - index.counted_to).value / kUsPerMs;
  if (ms <= 0) return;
  index.counted_to = index.counted_to + Duration(ms * kUsPerMs);
  Wide offered = Wide{index.offered_ms} + Wide{index.offered_thousandths} * ms;
  Wide leased = Wide{index.leased_ms} + Wide{index.leased_thousandths} * ms;
  // Without an end of the interval for years the ratio is all that is kept.
  for (; offered > kCountMax || leased > kCountMax; offered /= 2) leased /= 2;
  index.offered_ms = static_cast<std::int64_t>(offered);
  index.leased_ms = static_cast<std::int64_t>(leased);
}

}  // namespace fallow::core
