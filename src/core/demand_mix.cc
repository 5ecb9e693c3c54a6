#include "core/demand_mix.h"

#include <algorithm>

namespace fallow::core {
namespace {

constexpr std::int64_t kWhole = 1'000;    // thousandths
constexpr std::int64_t kAll = 1'000'000;  // ppm

}  // namespace

void DemandMix::count(Shape shape, std::uint32_t tasks, Time now) {
  if (shape.gpus > kGpusMax) return;
  decay(now);
  const auto end = counted_.begin() + size_;
  auto at = std::find_if(counted_.begin(), end,
                         [&](const Counted& counted) { return counted.shape == shape; });
  if (at == end && size_ < kShapesMax) {
    ++size_;
  } else if (at == end) {
    at = std::min_element(counted_.begin(), end,
                          [](const Counted& a, const Counted& b) { return a.weight < b.weight; });
  }
  if (at->shape != shape) {
    const bool counts = at->typical_ppm > 0;
    *at = Counted{shape, 0, 0};
    if (counts) tabulate();  // the mix that counts follows from what a snapshot keeps
  }
  const std::uint64_t weight = std::min(tasks, kTasksMax) * kTaskWeight;
  at->weight = std::min(at->weight + weight, kWeightMax);
  added_ = std::min(added_ + weight, kWeightMax);
  if (added_ * kRenewedBy >= total()) renew();
}

void DemandMix::decay(Time now) {
  const std::int64_t hour = now.us / kHour.value;
  // After so many nothing is left of any weight.
  constexpr std::int64_t kHoursMax = 2'000;
  for (std::int64_t left = std::min(hour - hour_, kHoursMax); left > 0; --left) {
    for (Counted& counted : counted_) counted.weight = counted.weight * kKept >> kKeptShift;
    added_ = added_ * kKept >> kKeptShift;
  }
  hour_ = std::max(hour_, hour);
}

std::uint64_t DemandMix::total() const {
  std::uint64_t total = 0;  // of 16 weights of 2^56 each at most
  for (const Counted& counted : counted_) total += counted.weight;
  return total;
}

void DemandMix::renew() {
  const std::uint64_t all = total();
  for (Counted& counted : counted_) {
    counted.typical_ppm =
        all == 0 ? 0 : static_cast<std::uint32_t>(UnsignedWide{counted.weight} * kAll / all);
  }
  added_ = 0;
  tabulate();
}

void DemandMix::tabulate() {
  typical_.clear();
  for (const Counted& counted : counted_) {
    if (counted.typical_ppm > 0) typical_.push_back({counted.shape, counted.typical_ppm});
  }
  for (std::uint32_t whole = 0; whole <= kGpusMax; ++whole) {
    of_whole_[whole] = fragments(whole, 0, 0);
  }
}

std::int64_t DemandMix::fragments(std::span<const std::uint32_t> free_thousandths) const {
  std::int64_t sum = 0;
  std::int64_t free = 0;
  for (const std::uint32_t device : free_thousandths) free += device;
  for (const Typical& typical : typical_) {
    std::uint32_t fitting = 0;
    std::int64_t useless = 0;
    for (const std::uint32_t device : free_thousandths) {
      if (device >= typical.shape.share_thousandths) {
        ++fitting;
      } else {
        useless += device;
      }
    }
    sum += typical.ppm * (fitting < typical.shape.gpus ? free : useless);
  }
  return sum / kAll;
}

std::int64_t DemandMix::fragments(std::uint32_t whole, std::uint32_t others,
                                  std::uint32_t left_thousandths) const {
  std::int64_t sum = 0;
  const std::int64_t in_others = std::int64_t{others} * left_thousandths;
  for (const Typical& typical : typical_) {
    const bool others_fit = left_thousandths >= typical.shape.share_thousandths;
    const std::uint32_t fitting = whole + (others_fit ? others : 0);
    if (fitting < typical.shape.gpus) {
      sum += typical.ppm * (whole * kWhole + in_others);
    } else if (!others_fit) {
      sum += typical.ppm * in_others;
    }
  }
  return sum / kAll;
}

std::int64_t DemandMix::within(Shape shape) const {
  std::int64_t ppm = 0;
  for (const Typical& typical : typical_) {
    const bool fits = typical.shape.gpus <= shape.gpus &&
                      typical.shape.share_thousandths <= shape.share_thousandths;
    if (fits) ppm += typical.ppm;
  }
  return ppm;
}

bool DemandMix::restore() {
  if (size_ > kShapesMax || hour_ < 0 || added_ > kWeightMax) return false;
  std::int64_t ppm = 0;
  for (std::size_t i = 0; i < kShapesMax; ++i) {
    const Counted& counted = counted_[i];
    const bool used = counted.shape.gpus >= 1 && counted.shape.gpus <= kGpusMax &&
                      counted.shape.share_thousandths >= 1 &&
                      counted.shape.share_thousandths <= kWhole && counted.weight <= kWeightMax;
    const bool unused = counted.shape == Shape{} && counted.weight == 0 && counted.typical_ppm == 0;
    if (i < size_ ? !used : !unused) return false;
    ppm += counted.typical_ppm;
  }
  if (ppm > kAll) return false;
  tabulate();
  return true;
}

}  // namespace fallow::core
