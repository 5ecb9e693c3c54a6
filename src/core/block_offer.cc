#include "core/block_offer.h"

#include <algorithm>

#include "core/placement.h"

namespace fallow::core {

OfferLoad load_of(const Node& node) {
  OfferLoad load;
  load.reliability = reliability_ppm(node);
  load.cpu_thousandths_free = node.cpu_thousandths_free;
  load.memory_mb_free = node.memory_mb_free;
  load.disk_mb_free = node.disk_mb_free;
  load.even = std::all_of(node.devices.begin(), node.devices.end(), [](const NodeDevice& device) {
    return device.free_thousandths == 0 || device.free_thousandths == kWholeDevice;
  });
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

Slot OfferStore::take() {
  if (!free_.empty()) {
    const Slot slot = free_.back();
    free_.pop_back();
    return slot;
  }
  const Slot slot = size();
  offers_.add();
  places_.add();
  return slot;
}

void OfferStore::free(Slot slot) {
  (*this)[slot] = Offer{};
  place(slot) = {};
  free_.push_back(slot);
}

}  // namespace fallow::core
