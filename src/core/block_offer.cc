#include "core/block_offer.h"

#include <algorithm>

#include "base/check.h"
#include "core/placement.h"

namespace fallow::core {

OfferLoad load_of(const Node& node) {
  OfferLoad load;
  load.reliability = reliability_ppm(node);
  load.cpu_thousandths_free = node.cpu_thousandths_free;
  load.memory_mb_free = node.memory_mb_free;
  load.disk_mb_free = node.disk_mb_free;
  if (!is_open(node)) return load;
  for (std::size_t i = 0; i < node.devices.size(); ++i) {
    const auto free = static_cast<std::uint16_t>(node.devices[i].free_thousandths);
    load.room = std::max(load.room, free);
    if (free < kWholeDevice) continue;
    ++load.whole;
    if (i < 64) load.whole_mask |= std::uint64_t{1} << i;
  }
  return load;
}

std::int64_t number_of(const BlockOffer& offer, Field field) {
  switch (field) {
    case Field::kPrice:
      return offer.device_hour.value;
    case Field::kReliability:
      return offer.load.reliability;
    case Field::kCpuCores:
      return offer.cpu_thousandths;
    case Field::kCpuRam:
      return offer.memory_mb;
    case Field::kDiskSpace:
      return offer.disk_mb;
    case Field::kInetDown:
      return std::int64_t{offer.download_mbps} * 1'000;
    case Field::kInetUp:
      return std::int64_t{offer.upload_mbps} * 1'000;
    case Field::kIsolation:
      return offer.isolation;
    case Field::kNode:
      return static_cast<std::int64_t>(offer.id.value);
    case Field::kProvider:
      return static_cast<std::int64_t>(offer.node->provider.value);
    default:
      FALLOW_CHECK(false, "{} is not a number of an offer", name_of(field));
  }
}

Slot OfferStore::take() {
  if (!free_.empty()) {
    const Slot slot = free_.back();
    free_.pop_back();
    return slot;
  }
  if (size_ % kChunk == 0) chunks_.emplace_back(kChunk);
  return size_++;
}

void OfferStore::free(Slot slot) {
  (*this)[slot] = BlockOffer{};
  free_.push_back(slot);
}

}  // namespace fallow::core
