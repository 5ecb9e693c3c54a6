#include "core/block_tree.h"

#include <algorithm>
#include <bit>
#include <limits>
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

// The gates that so many whole devices, so much room and being there at all open.
constexpr auto gates_by(Column column) {
  std::array<std::uint8_t, kCodeMax + 1> gates{};
  for (std::size_t code = 0; code < gates.size(); ++code) {
    for (std::size_t i = 0; i < kGates.size(); ++i) {
      if (kGates[i].column == column && code >= kGates[i].least) {
        gates[code] = static_cast<std::uint8_t>(gates[code] | 1U << i);
      }
    }
  }
  return gates;
}
constexpr auto kGatesByWhole = gates_by(Column::kWhole);
constexpr auto kGatesByRoom = gates_by(Column::kRoom);
constexpr auto kGatesByPresent = gates_by(Column::kPresent);
GateMask gates_of(Code present, Code whole, Code room) {
  return GateMask{kGatesByPresent[present]} | kGatesByWhole[whole] | kGatesByRoom[room];
}

constexpr std::size_t kRoomBound = bound_of(Column::kRoom, kAnyOffer, false);
constexpr std::size_t kWholeBound = bound_of(Column::kWhole, kAnyOffer, false);

// A bound that an offer had this much of, and has now that much.
void weigh(Block& block, std::size_t which, Code was, Code now) {
  const Code best = block.own.at[which];
  if (now > best) {
    block.set_bound(which, now);
  } else if (was == best && now < best) {
    const Code rest = block.bound(which);
    if (rest != best) block.set_bound(which, rest);
  }
}

// The bounds of what orders ask for behind these gates, which are the first in kBoundList.
constexpr std::size_t kGated = zone_bounds::kGated.size();
constexpr auto kBoundsBehind = [] {
  std::array<std::uint32_t, std::size_t{1} << kGates.size()> masks{};
  for (std::size_t gates = 0; gates < masks.size(); ++gates) {
    for (std::size_t i = 1; i < kGates.size(); ++i) {
      if ((gates >> i & 1U) != 0) masks[gates] |= 0xFU << (i - 1) * kGated;
    }
  }
  return masks;
}();
static_assert(kGated == 4 && kGated * (kGates.size() - 1) <= 32);

// Of an offer that came through some gates and no longer comes through others, with codes as they
// were: few bounds move.
void weigh_gates(Block& block, std::size_t lane, GateMask opened, GateMask closed) {
  const std::array<Code, kGated> codes = block.offers[lane].gated_codes;
  const FourCompared compared = compare_four(block.own, codes);
  for (std::uint32_t left = compared.below & kBoundsBehind[opened]; left != 0; left &= left - 1) {
    const auto which = static_cast<std::size_t>(std::countr_zero(left));
    block.set_bound(which, codes[which % kGated]);
  }
  for (std::uint32_t left = compared.equal & kBoundsBehind[closed]; left != 0; left &= left - 1) {
    const auto which = static_cast<std::size_t>(std::countr_zero(left));
    const Code rest = block.bound(which);
    if (rest != codes[which % kGated]) block.set_bound(which, rest);
  }
  // Behind them stand the bounds of lasting.
  if ((block.lasts & lane_bit(lane)) == 0) return;
  for (std::size_t i = 0; i < zone_bounds::kLastingGates.size(); ++i) {
    const GateMask gate = GateMask{1} << zone_bounds::kLastingGates[i];
    if (((opened | closed) & gate) == 0) continue;
    const Survival& lasting = block.lasting[lane];
    const bool enters = (opened & gate) != 0;
    for (std::size_t span = 0; span < lasting.codes.size(); ++span) {
      const Code code = lasting.codes[span];
      weigh(block, kGatedBounds + i * lasting.codes.size() + span, enters ? Code{0} : code,
            enters ? code : Code{0});
    }
  }
}

// Of one that is behind other gates now, or has another region.
void weigh_region(Block& block, Code before, Code now, GateMask gates_before, GateMask gates_now) {
  const GateMask left = before == now ? gates_before & ~gates_now : gates_before;
  const GateMask entered = before == now ? gates_now & ~gates_before : gates_now;
  for (GateMask gates = entered; gates != 0; gates &= gates - 1) {
    block.add_regions(static_cast<std::size_t>(std::countr_zero(gates)),
                      Block::region_mask_of(now));
  }
  for (GateMask gates = left; gates != 0; gates &= gates - 1) {
    block.drop_region(static_cast<std::size_t>(std::countr_zero(gates)), before);
  }
}

}  // namespace

BlockTree::BlockTree(BlockMemory& memory, OfferClass& owner, Order order)
    : memory_(memory), offers_(memory.offers), owner_(owner), order_(order), root_(&new_zone(1)) {}

BlockTree::~BlockTree() { drop(*root_); }

OfferKey BlockTree::key_of(const OfferFacts& facts, const OfferMore* more) const {
  OfferKey key = facts.key();
  if (order_ == Order::kFormerPrice) key.device_hour = more->least_hour;
  if (order_ == Order::kSpotFloor) key.device_hour = more->spot_floor;
  return key;
}

void BlockTree::tell_place(Slot slot, BlockPlace place) {
  BlockPlace& first = offers_.place(slot);
  if (first && first.block().tree == this) {
    first = place;
    return;
  }
  OfferMore* const more = offers_[slot].more.get();
  if (more == nullptr) return;  // it is being inserted
  for (BlockPlace& other : more->places) {
    if (other.block().tree == this) other = place;
  }
}

// ---- one block -----------------------------------------------------------------------------

void BlockTree::set(BlockPlace place, const OfferFacts& facts, ColumnMask changed) {
  Block& block = place.block();
  ++block.tree->changes_;
  const std::size_t lane = place.lane();
  LaneOffer& offer = block.offers[lane];
  offer.whole_mask = facts.load.whole_mask;
  offer.room = facts.load.room;
  set_lane(block.uneven, lane, !facts.load.even);
  Codes codes;
  for (ColumnMask left = changed; left != 0; left &= left - 1) {
    const auto i = static_cast<std::size_t>(std::countr_zero(left));
    const auto column = static_cast<Column>(i);
    if (has_number_row(column)) {
      block.numbers[number_row_of(column)].at[lane] = number_of(column, facts);
    } else if (has_load_number(column)) {
      offer.numbers[load_number_of(column)] = number_of(column, facts);
    }
    codes[i] = code_of(column, facts);
  }
  set_codes(block, lane, codes, changed);
}

void BlockTree::set_codes(Block& block, std::size_t lane, const Codes& codes, ColumnMask changed) {
  Codes before;
  BoundMask affected = 0;
  const auto code = [&](Column column) { return block.row(column).at[lane]; };
  const auto gates = [&] {
    return gates_of(code(Column::kPresent), code(Column::kWhole), code(Column::kRoom));
  };
  const GateMask gates_before = gates();
  const Code region_before = code(Column::kRegion);
  for (ColumnMask left = changed; left != 0; left &= left - 1) {
    const auto i = static_cast<std::size_t>(std::countr_zero(left));
    Code& now = block.rows[i].at[lane];
    before[i] = std::exchange(now, codes[i]);
    if (now != before[i]) affected |= kBoundsOfColumn[i];
  }
  for (std::size_t i = 0; i < zone_bounds::kGated.size(); ++i) {
    block.offers[lane].gated_codes[i] = code(zone_bounds::kGated[i]);
  }
  for (std::size_t span = 0; span < kSurvivalSpans.size(); ++span) {
    if ((changed & column_bit(lasting_column(span))) != 0) {
      block.lasting[lane].codes[span] = code(lasting_column(span));
      set_lane(block.lasts, lane, block.lasting[lane] != Survival{});
    }
  }
  const GateMask gates_now = gates();
  for (BoundMask left = affected; left != 0; left &= left - 1) {
    const auto which = static_cast<std::size_t>(std::countr_zero(left));
    const Bound& bound = kBoundList[which];
    const std::size_t column = index_of(bound.column);
    const Code turn = bound.turned ? kCodeMax : 0;
    const auto turned = [&](GateMask open, Code value) {
      return (open >> bound.gate & 1U) != 0 ? static_cast<Code>(value ^ turn) : Code{0};
    };
    weigh(block, which, turned(gates_before, before[column]),
          turned(gates_now, block.rows[column].at[lane]));
  }
  // Through some gates it now comes or no longer comes, with the same codes as before.
  for (GateMask crossed = gates_before ^ gates_now; crossed != 0; crossed &= crossed - 1) {
    const auto gate = static_cast<std::size_t>(std::countr_zero(crossed));
    const bool opened = (gates_now >> gate & 1U) != 0;
    for (BoundMask left = kBoundsOfGate[gate] & ~affected; left != 0; left &= left - 1) {
      const auto which = static_cast<std::size_t>(std::countr_zero(left));
      const Bound& bound = kBoundList[which];
      const auto value = static_cast<Code>(code(bound.column) ^ (bound.turned ? kCodeMax : 0));
      weigh(block, which, opened ? Code{0} : value, opened ? value : Code{0});
    }
  }
  weigh_region(block, region_before, code(Column::kRegion), gates_before, gates_now);
}

void BlockTree::set_load(BlockPlace place, const OfferLoad& load, ColumnMask changed) {
  OfferFacts facts;
  facts.load = load;
  set(place, facts, changed | column_bit(Column::kWhole) | column_bit(Column::kRoom));
}

void BlockTree::set_free(BlockPlace place, const OfferLoad& load) {
  Block& block = place.block();
  const std::size_t lane = place.lane();
  block.offers[lane].whole_mask = load.whole_mask;
  set_lane(block.uneven, lane, !load.even);
  set_free(block, lane, code_of(Column::kWhole, load.whole), load.room);
}

void BlockTree::set_whole(BlockPlace place, std::uint64_t whole_mask) {
  Block& block = place.block();
  const std::size_t lane = place.lane();
  block.offers[lane].whole_mask = whole_mask;
  const auto whole = static_cast<Code>(std::popcount(whole_mask));
  set_free(block, lane, whole, static_cast<std::uint16_t>(whole > 0 ? kWholeDevice : 0));
}

void BlockTree::set_free(Block& block, std::size_t lane, Code whole_now, std::uint16_t room) {
  ++block.tree->changes_;
  LaneOffer& offer = block.offers[lane];
  Code& whole = block.row(Column::kWhole).at[lane];
  const Code whole_before = whole;
  const Code room_before = code_of(Column::kRoom, offer.room);
  const Code room_now = code_of(Column::kRoom, room);
  offer.room = room;
  whole = whole_now;
  if (room_now != room_before) {
    block.row(Column::kRoom).at[lane] = room_now;
    weigh(block, kRoomBound, room_before, room_now);
  }
  if (whole_now != whole_before) weigh(block, kWholeBound, whole_before, whole_now);
  const GateMask gates_before = gates_of(1, whole_before, room_before);
  const GateMask gates_now = gates_of(1, whole_now, room_now);
  const GateMask crossed = gates_before ^ gates_now;
  if (crossed == 0) return;
  weigh_gates(block, lane, crossed & gates_now, crossed & gates_before);
  const Code region = code_of(Column::kRegion, offer.region);
  weigh_region(block, region, region, gates_before, gates_now);
}

std::uint8_t BlockTree::rank_of(const Block& block, const OfferKey& key) {
  std::size_t low = 0;
  std::size_t high = block.size();
  while (low < high) {
    const std::size_t middle = (low + high) / 2;
    if (block.offers[block.lane_at(middle)].key() < key) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return static_cast<std::uint8_t>(low);
}

// What no bound is kept of.
void BlockTree::write(Block& block, std::size_t lane, const OfferFacts& facts,
                      const OfferKey& key) {
  LaneOffer& offer = block.offers[lane];
  offer.id = facts.id;
  offer.device_hour = key.device_hour;
  offer.disk_gb_hour = facts.disk_gb_hour;
  offer.share_min = facts.share_min;
  offer.region = facts.region;
  offer.numbers[load_number_of(Column::kReliability)] = facts.load.reliability;
  block.durations_max[lane] = facts.duration_max;
  set_lane(block.plain, lane, facts.plain);
  set_lane(block.limited, lane, facts.duration_max.value != 0);
}

void BlockTree::take_out(Block& block, std::size_t lane) {
  shift_codes(block.rank, static_cast<Code>(block.rank.at[lane] + 1), false);
  block.give_up(lane_bit(lane));
  set_codes(block, lane, Codes{}, kAllColumns);
  block.drop_disk(block.offers[lane].disk_gb_hour);
}

bool BlockTree::settle(BlockPlace place, const OfferFacts& facts, const OfferMore* more) {
  Block& block = place.block();
  const std::size_t lane = place.lane();
  const OfferKey key = key_of(facts, more);
  if (!settle(place, key)) return false;
  const Micros disk_before = block.offers[lane].disk_gb_hour;
  write(block, lane, facts, key);
  if (facts.disk_gb_hour == disk_before) return true;
  block.add_disk(facts.disk_gb_hour);
  block.drop_disk(disk_before);
  return true;
}

bool BlockTree::settle(BlockPlace place, const OfferKey& key) {
  Block& block = place.block();
  ++block.tree->changes_;
  const std::size_t lane = place.lane();
  // Between the key that its block begins with and the one that the next begins with?
  const Branch* branch = &block;
  for (const Zone* zone = block.parent; zone != nullptr; branch = zone, zone = zone->parent) {
    if (branch == &block && key < zone->keys[branch->place]) return false;
    if (branch->place + 1U == zone->count) continue;
    if (!(key < zone->keys[branch->place + 1U])) return false;
    break;
  }
  LaneOffer& offer = block.offers[lane];
  offer.device_hour = key.device_hour;
  offer.numbers[load_number_of(Column::kReliability)] = kUnreliable - key.unreliability;
  // Seldom does it pass more than a neighbour.
  std::uint8_t& rank = block.rank.at[lane];
  while (rank > 0) {
    const std::size_t other = block.lane_at(rank - 1U);
    if (!(key < block.offers[other].key())) break;
    ++block.rank.at[other];
    --rank;
  }
  while (rank + 1U < block.size()) {
    const std::size_t other = block.lane_at(rank + 1U);
    if (!(block.offers[other].key() < key)) break;
    --block.rank.at[other];
    ++rank;
  }
  return true;
}

BlockPlace BlockTree::insert(Slot slot, const OfferFacts& facts, const OfferMore* more) {
  ++changes_;
  const OfferKey key = key_of(facts, more);
  Block* block = &block_for(key);
  if (block->size() == kLanes) {
    Block& upper = split(*block);
    if (!(key < upper.parent->keys[upper.place])) block = &upper;
  }
  ++size_;
  const std::size_t lane = first_lane(~block->used);
  const std::uint8_t rank = rank_of(*block, key);
  shift_codes(block->rank, rank, true);
  block->rank.at[lane] = rank;
  block->offers[lane].slot = slot;
  block->used |= lane_bit(lane);
  block->offers[lane].elsewhere = more != nullptr;
  const BlockPlace place(*block, lane);
  write(*block, lane, facts, key);
  block->add_disk(facts.disk_gb_hour);
  set(place, facts, kAllColumns);
  return place;
}

void BlockTree::erase(BlockPlace place) {
  ++changes_;
  Block& block = place.block();
  take_out(block, place.lane());
  --size_;
  shrink(block);
}

OfferLoad BlockTree::load_at(const Block& block, std::size_t lane, const OfferStore& offers) {
  const LaneOffer& at = block.offers[lane];
  OfferLoad load;
  load.whole_mask = at.whole_mask;
  load.reliability = at.reliability();
  load.cpu_thousandths_free = block.number(Column::kCpuFree, lane);
  load.memory_mb_free = block.number(Column::kMemoryFree, lane);
  load.disk_mb_free = block.number(Column::kDiskFree, lane);
  load.room = at.room;
  load.even = (block.uneven & lane_bit(lane)) == 0;
  const Code whole = block.row(Column::kWhole).at[lane];
  load.whole = whole < kCodeMax ? whole : load_of(*offers[at.slot].node).whole;
  return load;
}

OfferFacts BlockTree::facts_at(const Block& block, std::size_t lane, const OfferStore& offers) {
  const LaneOffer& at = block.offers[lane];
  const Node& node = *offers[at.slot].node;
  const auto number = [&](Column column) { return block.number(column, lane); };
  OfferFacts facts;
  facts.id = at.id;
  facts.provider = node.provider;
  facts.device_hour = at.device_hour;
  facts.disk_gb_hour = at.disk_gb_hour;
  facts.load = load_at(block, lane, offers);
  facts.duration_max = block.durations_max[lane];
  facts.cpu_thousandths = number(Column::kCpu);
  facts.memory_mb = number(Column::kMemory);
  facts.disk_mb = number(Column::kDisk);
  facts.download_mbps = number(Column::kDownload);
  facts.upload_mbps = number(Column::kUpload);
  facts.region = at.region;
  facts.share_min = at.share_min;
  facts.devices = static_cast<std::uint16_t>(
      std::min<std::size_t>(node.devices.size(), std::numeric_limits<std::uint16_t>::max()));
  facts.isolation = block.row(Column::kIsolation).at[lane];
  facts.images = block.row(Column::kImages).at[lane] != 0;
  facts.plain = (block.plain & lane_bit(lane)) != 0;
  facts.survival = block.lasting[lane];
  return facts;
}

}  // namespace fallow::core
