#include "core/block_tree.h"

#include <bit>
#include <utility>

#include "base/check.h"

namespace fallow::core {
namespace {

template <class Of>
constexpr auto bounds_by(Of&& concerns) {
  BoundMask mask = 0;
  for (std::size_t i = 0; i < kBounds; ++i) {
    if (concerns(kBoundList[i])) mask |= BoundMask{1} << i;
  }
  return mask;
}
constexpr std::array<BoundMask, kColumns> kBoundsOfColumn = [] {
  std::array<BoundMask, kColumns> masks{};
  for (std::size_t i = 0; i < kColumns; ++i) {
    masks[i] = bounds_by([&](const Bound& bound) { return index_of(bound.column) == i; });
  }
  return masks;
}();
constexpr std::array<BoundMask, kGates.size()> kBoundsOfGate = [] {
  std::array<BoundMask, kGates.size()> masks{};
  for (std::size_t i = 0; i < kGates.size(); ++i) {
    masks[i] = bounds_by([&](const Bound& bound) { return bound.gate == i; });
  }
  return masks;
}();

template <class Value>
inline GateMask gates_of(Value&& value) {
  const Code present = value(Column::kPresent);
  const Code room = value(Column::kRoom);
  const Code whole = value(Column::kWhole);
  GateMask gates = 0;
  for (std::size_t i = 0; i < kGates.size(); ++i) {
    const Column column = kGates[i].column;
    const Code code = column == Column::kWhole ? whole : column == Column::kRoom ? room : present;
    gates |= (code >= kGates[i].least ? GateMask{1} : GateMask{0}) << i;
  }
  return gates;
}

}  // namespace

BlockTree::BlockTree(BlockMemory& memory, OfferClass& owner, Order order)
    : memory_(memory), offers_(memory.offers), owner_(owner), order_(order), root_(&new_zone(1)) {}

BlockTree::~BlockTree() { drop(*root_); }

OfferKey BlockTree::key_of(Slot slot) const {
  const BlockOffer& offer = offers_[slot];
  OfferKey key = offer.key();
  if (order_ == Order::kFormerPrice) key.device_hour = offer.more->least_hour;
  if (order_ == Order::kSpotFloor) key.device_hour = offer.more->spot_floor;
  return key;
}

void BlockTree::tell_place(Slot slot, BlockPlace place) {
  BlockOffer& offer = offers_[slot];
  if (offer.place.block != nullptr && offer.place.block->tree == this) {
    offer.place = place;
    return;
  }
  if (offer.more == nullptr) return;  // it is being inserted
  for (BlockPlace& other : offer.more->places) {
    if (other.block->tree == this) other = place;
  }
}

// ---- one block -----------------------------------------------------------------------------

void BlockTree::set(BlockPlace place, const Codes& codes, ColumnMask changed) {
  Block& block = *place.block;
  Codes before;
  BoundMask affected = 0;
  const auto code = [&](Column column) { return block.row(column).at[place.lane]; };
  const GateMask gates_before = gates_of(code);
  const Code region_before = code(Column::kRegion);
  ColumnMask differ = 0;
  for (ColumnMask left = changed; left != 0; left &= left - 1) {
    const auto i = static_cast<std::size_t>(std::countr_zero(left));
    Code& now = block.rows[i].at[place.lane];
    before[i] = std::exchange(now, codes[i]);
    if (now == before[i]) continue;
    differ |= ColumnMask{1} << i;
    affected |= kBoundsOfColumn[i];
  }
  if (differ == 0 || block.parent == nullptr) return;  // the same, or not attached yet
  const GateMask gates_now = gates_of(code);
  const auto weigh = [&](std::size_t which, Code was, Code now) {
    const Code best = block.own.bounds[which];
    if (now > best) {
      block.set_bound(which, now);
    } else if (was == best && now < best) {
      const Code rest = block.bound(which);
      if (rest != best) block.set_bound(which, rest);
    }
  };
  for (BoundMask left = affected; left != 0; left &= left - 1) {
    const auto which = static_cast<std::size_t>(std::countr_zero(left));
    const Bound& bound = kBoundList[which];
    const std::size_t column = index_of(bound.column);
    const Code turn = bound.turned ? kCodeMax : 0;
    const auto turned = [&](GateMask gates, Code value) {
      return (gates >> bound.gate & 1U) != 0 ? static_cast<Code>(value ^ turn) : Code{0};
    };
    weigh(which, turned(gates_before, before[column]),
          turned(gates_now, block.rows[column].at[place.lane]));
  }
  // Through some gates it now comes or no longer comes, with the same codes as before: nearly
  // always that is all there is to do.
  for (GateMask gates = gates_before ^ gates_now; gates != 0; gates &= gates - 1) {
    const auto gate = static_cast<std::size_t>(std::countr_zero(gates));
    const bool opened = (gates_now >> gate & 1U) != 0;
    for (BoundMask left = kBoundsOfGate[gate] & ~affected; left != 0; left &= left - 1) {
      const auto which = static_cast<std::size_t>(std::countr_zero(left));
      const Bound& bound = kBoundList[which];
      const Code value = static_cast<Code>(code(bound.column) ^ (bound.turned ? kCodeMax : 0));
      weigh(which, opened ? Code{0} : value, opened ? value : Code{0});
    }
  }
  const GateMask regions =
      region_before == code(Column::kRegion) ? gates_before ^ gates_now : gates_before | gates_now;
  for (GateMask left = regions; left != 0; left &= left - 1) {
    const auto gate = static_cast<std::size_t>(std::countr_zero(left));
    if ((gates_before >> gate & 1U) == 0) {
      block.set_regions(gate,
                        block.own_regions[gate] | Block::region_mask_of(code(Column::kRegion)));
    } else if ((gates_now >> gate & 1U) != 0 ||
               !block.has_region(gate, region_before, place.lane)) {
      block.set_regions(gate, block.regions(gate));
    }
  }
}

std::uint8_t BlockTree::rank_of(const Block& block, const OfferKey& key, LaneMask among) const {
  std::size_t rank = 0;
  for (LaneMask left = among; left != 0; left &= left - 1) {
    const std::size_t lane = first_lane(left);
    const Micros price = block.device_hours[lane];
    const bool before =
        price == key.device_hour ? key_of(block.slots[lane]) < key : price < key.device_hour;
    rank += before ? 1 : 0;
  }
  return static_cast<std::uint8_t>(rank);
}

BlockPlace BlockTree::put(Block& block, Slot slot) {
  const OfferKey key = key_of(slot);
  const std::size_t lane = first_lane(~block.used);
  const std::uint8_t rank = rank_of(block, key, block.used);
  for (LaneMask left = block.used; left != 0; left &= left - 1) {
    std::uint8_t& other = block.rank.at[first_lane(left)];
    if (other >= rank) ++other;
  }
  block.rank.at[lane] = rank;
  block.slots[lane] = slot;
  block.used |= lane_bit(lane);
  const BlockPlace place{&block, static_cast<std::uint8_t>(lane)};
  set(place, codes_of(offers_[slot]), kAllColumns);
  set_prices(place);
  return place;
}

void BlockTree::take_out(Block& block, std::size_t lane) {
  const std::uint8_t rank = block.rank.at[lane];
  block.used &= ~lane_bit(lane);
  for (LaneMask left = block.used; left != 0; left &= left - 1) {
    std::uint8_t& other = block.rank.at[first_lane(left)];
    if (other > rank) --other;
  }
  set({&block, static_cast<std::uint8_t>(lane)}, Codes{}, kAllColumns);
  block.settle_disk();
}

void BlockTree::set_prices(BlockPlace place) {
  Block& block = *place.block;
  const Slot slot = block.slots[place.lane];
  const OfferKey key = key_of(slot);
  block.device_hours[place.lane] = key.device_hour;
  block.disk_gb_hours[place.lane] = offers_[slot].disk_gb_hour;
  block.unreliabilities[place.lane] = key.unreliability;
  block.settle_disk();
}

bool BlockTree::settle(BlockPlace place) {
  Block& block = *place.block;
  const OfferKey key = key_of(block.slots[place.lane]);
  // Between the key that its block begins with and the one that the next begins with?
  const Branch* branch = &block;
  for (const Zone* zone = block.parent; zone != nullptr; branch = zone, zone = zone->parent) {
    if (branch == &block && key < zone->keys[branch->place]) return false;
    if (branch->place + 1U == zone->count) continue;
    if (!(key < zone->keys[branch->place + 1U])) return false;
    break;
  }
  set_prices(place);
  const std::uint8_t before = block.rank.at[place.lane];
  const std::uint8_t now = rank_of(block, key, block.used & ~lane_bit(place.lane));
  if (now == before) return true;
  for (LaneMask left = block.used; left != 0; left &= left - 1) {
    std::uint8_t& other = block.rank.at[first_lane(left)];
    if (other > before && other <= now) --other;
    if (other < before && other >= now) ++other;
  }
  block.rank.at[place.lane] = now;
  return true;
}

BlockPlace BlockTree::insert(Slot slot) {
  const OfferKey key = key_of(slot);
  Block* block = &block_for(key);
  if (block->size() == kLanes) {
    Block& upper = split(*block);
    if (!(key < upper.parent->keys[upper.place])) block = &upper;
  }
  ++size_;
  return put(*block, slot);
}

void BlockTree::erase(BlockPlace place) {
  take_out(*place.block, place.lane);
  --size_;
  shrink(*place.block);
}

}  // namespace fallow::core
