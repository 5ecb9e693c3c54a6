#include "core/block_offer.h"

#include "base/check.h"

namespace fallow::core {

std::int64_t number_of(const BlockOffer& offer, Field field) {
  switch (field) {
    case Field::kPrice:
      return offer.device_hour.value;
    case Field::kReliability:
      return offer.reliability;
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
      return static_cast<std::int64_t>(offer.provider.value);
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
  if (size_ % kChunk == 0) chunks_.push_back(std::make_unique<BlockOffer[]>(kChunk));
  return size_++;
}

void OfferStore::free(Slot slot) {
  (*this)[slot] = BlockOffer{};
  free_.push_back(slot);
}

}  // namespace fallow::core
