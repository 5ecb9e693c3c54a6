// Zone maps: for each of up to 64 blocks (or of zones below) the best that any offer in it has,
// so that one vector comparison rules out 64 blocks. A zone of zones is the second level, and so
// on: a tree of any height.
//
// What counts as the best depends on what is free: offers that are leased out, or have fewer free
// devices than are asked for, must not make a block look good. So the bounds that matter most are
// kept once for each gate, a least free capacity.
//
// Owner: a BlockTree, market thread only.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "core/block_columns.h"
#include "core/block_lanes.h"
#include "core/block_offer.h"

namespace fallow::core {

// Free capacity that an offer has at least: anything offered, any share, or so many whole devices.
struct Gate {
  Column column;
  Code least;
};
constexpr std::array<Gate, 6> kGates = {{{Column::kPresent, 1},
                                         {Column::kRoom, 1},
                                         {Column::kWhole, 1},
                                         {Column::kWhole, 2},
                                         {Column::kWhole, 4},
                                         {Column::kWhole, 8}}};
constexpr std::size_t kAnyOffer = 0;  // the gates that are asked for by name
constexpr std::size_t kAnyRoom = 1;
// The strictest gate that lets everything with `gpus` whole free devices through.
constexpr std::size_t gate_of(std::uint32_t gpus) {
  std::size_t gate = kGates.size() - 1;
  while (kGates[gate].column == Column::kWhole && kGates[gate].least > gpus) --gate;
  return gate;
}
using GateMask = std::uint32_t;

// One bound of a block: the greatest code of a column among the offers behind a gate; turned, the
// greatest of 255 - code, which bounds the column from below.
struct Bound {
  Column column = Column::kPresent;
  std::uint8_t gate = 0;
  bool turned = false;
};

namespace zone_bounds {
constexpr std::array kOrdered = {
    Column::kWhole,     Column::kRoom,           Column::kCpuFree,   Column::kMemoryFree,
    Column::kDiskFree,  Column::kReliability,    Column::kCpu,       Column::kMemory,
    Column::kDisk,      Column::kDownload,       Column::kUpload,    Column::kDevices,
    Column::kIsolation, Column::kDuration,       Column::kLastsHour, Column::kLastsSixHours,
    Column::kLastsDay,  Column::kLastsThreeDays, Column::kLastsWeek, Column::kImages};
constexpr std::array kFromBelow = {
    Column::kReliability,    Column::kCpu,       Column::kMemory,        Column::kDisk,
    Column::kDownload,       Column::kUpload,    Column::kDevicesLeast,  Column::kShareMin,
    Column::kIsolation,      Column::kLastsHour, Column::kLastsSixHours, Column::kLastsDay,
    Column::kLastsThreeDays, Column::kLastsWeek};
// What orders ask for most: these are kept behind every gate.
constexpr std::array kGated = {Column::kReliability, Column::kCpu, Column::kMemory,
                               Column::kDownload};
// How likely nodes are to last ranks them, and where all have one price nothing else does: those
// that last are leased first, and must not make a block look good any more. Behind two gates, a
// free device and so many as a large task takes, for there are five spans.
constexpr std::array<std::size_t, 2> kLastingGates = {2, 4};
}  // namespace zone_bounds

constexpr std::size_t kGatedBounds = zone_bounds::kGated.size() * (kGates.size() - 1);
constexpr std::size_t kLastingBounds = kSurvivalSpans.size() * zone_bounds::kLastingGates.size();
constexpr std::size_t kBounds =
    kGatedBounds + kLastingBounds + zone_bounds::kOrdered.size() + zone_bounds::kFromBelow.size();
static_assert(kBounds <= 64, "a set of bounds is a mask");
using BoundMask = std::uint64_t;

// First what is behind gates, the bounds of a gate side by side: those of what orders ask for, then
// those of lasting.
constexpr std::array<Bound, kBounds> make_bounds() {
  std::array<Bound, kBounds> bounds{};
  std::size_t at = 0;
  for (std::size_t gate = 1; gate < kGates.size(); ++gate) {
    for (const Column column : zone_bounds::kGated) {
      bounds[at++] = {column, static_cast<std::uint8_t>(gate), false};
    }
  }
  for (const std::size_t gate : zone_bounds::kLastingGates) {
    for (std::size_t span = 0; span < kSurvivalSpans.size(); ++span) {
      bounds[at++] = {lasting_column(span), static_cast<std::uint8_t>(gate), false};
    }
  }
  for (const Column column : zone_bounds::kOrdered) bounds[at++] = {column, kAnyOffer, false};
  for (const Column column : zone_bounds::kFromBelow) bounds[at++] = {column, kAnyOffer, true};
  return bounds;
}
inline constexpr std::array<Bound, kBounds> kBoundList = make_bounds();

// The place of a bound in kBoundList: behind the strictest gate not beyond this one for which it is
// kept, since what comes through a gate comes through all before it. kBounds when the column has
// none.
constexpr std::size_t bound_of(Column column, std::size_t gate, bool turned) {
  std::size_t found = kBounds;
  for (std::size_t i = 0; i < kBounds; ++i) {
    const Bound& bound = kBoundList[i];
    if (bound.column != column || bound.turned != turned || bound.gate > gate) continue;
    if (found == kBounds || kBoundList[found].gate < bound.gate) found = i;
  }
  return found;
}

struct Zone;
class BlockTree;

// What a block and a zone have in common: where they hang.
struct Branch {
  Zone* parent = nullptr;  // null: the root
  std::uint8_t place = 0;  // in the parent
};

// Of regions the dictionary's number counts modulo 64.
using RegionMask = std::uint64_t;
constexpr std::uint16_t kRegionBits = 64;
constexpr RegionMask region_bit(std::uint16_t region) {
  return RegionMask{1} << (region % kRegionBits);
}

// What a block holds of one offer beside the rows: all that a change of its load reads and writes,
// and that its choice does, in one line of the cache.
struct alignas(kLanes) LaneOffer {
  Micros device_hour;  // of the key
  Micros disk_gb_hour;
  NodeId id;
  std::uint64_t whole_mask = 0;                       // as in OfferLoad
  std::array<std::uint32_t, kLoadNumbers> numbers{};  // of the columns that have_load_number
  Slot slot = 0;
  std::array<Code, zone_bounds::kGated.size()> gated_codes{};  // as in the rows
  std::uint16_t room = 0;
  std::uint16_t share_min = 0;
  std::uint16_t region = 0;
  bool elsewhere = false;  // stands in other trees, too

  std::uint32_t reliability() const { return numbers[load_number_of(Column::kReliability)]; }
  OfferKey key() const { return {device_hour, kUnreliable - reliability(), id}; }
};
static_assert(sizeof(LaneOffer) == 64);

// What is read together stands together: each row is a line of the cache, and the memory gives two
// lines that share 128 bytes at once: the header and the order for a search, the bounds of its own
// for a change, and of the rows what most orders ask for.
struct alignas(2 * kLanes) Block : Branch {
  BlockTree* tree = nullptr;
  LaneMask used = 0;
  LaneMask plain = 0;    // of those: nothing but what stands here counts
  LaneMask uneven = 0;   // of those: devices are free in part, as OfferLoad::even tells
  LaneMask lasts = 0;    // of those: something is known of how likely the node is to last
  LaneMask limited = 0;  // of those: there is a longest duration
  LaneRow rank;          // the offer's place in the order of keys among the block's
  // As they stand in the parent, here side by side: a change that moves none reads no more.
  LaneRow own;  // by bound
  alignas(kLanes) std::array<RegionMask, kGates.size()> own_regions{};
  std::array<LaneRow, kColumns> rows{};
  std::array<LaneOffer, kLanes> offers{};
  // As in the rows, an offer's side by side: a lease weighs them all.
  std::array<Survival, kLanes> lasting{};
  std::array<NumberRow, kNumberRows> numbers{};
  std::array<Duration, kLanes> durations_max{};
  // At a distance of a power of two the same rows of all blocks would share few places in a cache.
  std::array<LaneRow, 2> spread{};

  const LaneRow& row(Column column) const { return rows[index_of(column)]; }
  LaneRow& row(Column column) { return rows[index_of(column)]; }
  // Of a column that has one, the exact number.
  std::uint32_t number(Column column, std::size_t lane) const {
    return has_number_row(column) ? numbers[number_row_of(column)].at[lane]
                                  : offers[lane].numbers[load_number_of(column)];
  }
  // What a change of the load reads of it beside what a search has read, ...
  void prefetch_taken(std::size_t lane) const {
    if ((lasts & lane_bit(lane)) != 0) prefetch_line(&lasting[lane]);
    prefetch_line(&own);
    prefetch_line(&own_regions);
    prefetch_line(&row(Column::kRoom));
    for (const Column column : zone_bounds::kGated) prefetch_line(&row(column));
  }
  // ... and all of it.
  void prefetch_load(std::size_t lane) const {
    prefetch_line(&offers[lane]);
    prefetch_line(&lasting[lane]);
    prefetch_line(&own);
    prefetch_line(&own_regions);
    prefetch_line(&row(Column::kWhole));
    prefetch_line(&row(Column::kRoom));
    prefetch_line(this);
  }
  std::size_t size() const { return static_cast<std::size_t>(std::popcount(used)); }
  // No offer stands on these lanes any more.
  void give_up(LaneMask lanes);
  // The lane with this rank.
  std::size_t lane_at(std::size_t place_in_order) const {
    return first_lane(lanes_equal(rank, static_cast<Code>(place_in_order)) & used);
  }
  // The lane that comes first in the order of keys; `lanes` has one.
  std::size_t first_in_order(LaneMask lanes) const { return lane_search.least_lane(rank, lanes); }

  // The bound as the rows have it now.
  Code bound(std::size_t which) const {
    const Bound& of = kBoundList[which];
    const Gate& gate = kGates[of.gate];
    return greatest_where(row(of.column), row(gate.column), gate.least, of.turned);
  }
  RegionMask regions(std::size_t gate) const {
    RegionMask regions = 0;
    for (LaneMask left = open(gate) & used; left != 0; left &= left - 1) {
      regions |= region_mask_of(row(Column::kRegion).at[first_lane(left)]);
    }
    return regions;
  }
  // The least price of disk of its offers: anew, and when one with this price came, or went. Of a
  // block that hangs in a zone.
  void settle_disk();
  void add_disk(Micros gb_hour);
  void drop_disk(Micros gb_hour);
  // What stands in the parent, changed here and there.
  void set_bound(std::size_t which, Code code);
  void set_regions(std::size_t gate, RegionMask regions);
  void add_regions(std::size_t gate, RegionMask added);
  // An offer with such a region is no longer behind the gate.
  void drop_region(std::size_t gate, Code region);

  // The offers behind the gate.
  LaneMask open(std::size_t gate) const {
    return lanes_at_least(row(kGates[gate].column), kGates[gate].least);
  }
  // What a code says of the region: the last one stands for all that are not told apart.
  static RegionMask region_mask_of(Code code) {
    return code == kCodeMax ? ~RegionMask{0} : region_bit(code);
  }
};

static_assert(sizeof(Block) / (2 * kLanes) % 2 == 1);

// A block's sets of lanes beside `used`, each a part of it.
inline constexpr std::array kLaneMarks = {&Block::plain, &Block::uneven, &Block::lasts,
                                          &Block::limited};

struct alignas(kLanes) Zone : Branch {
  std::uint8_t level = 1;  // 1: of blocks
  std::uint8_t count = 0;
  std::array<Branch*, kLanes> children{};  // in the order of keys
  std::array<OfferKey, kLanes> keys{};     // no offer of the child comes before this
  std::array<LaneRow, kBounds> best{};
  std::array<std::array<RegionMask, kLanes>, kGates.size()> regions{};
  std::array<Micros, kLanes> disk_gb_hours{};  // of blocks: the least of any offer

  LaneMask all() const { return count == kLanes ? ~LaneMask{0} : lane_bit(count) - 1; }
  Block& block(std::size_t at) const { return *static_cast<Block*>(children[at]); }
  Zone& zone(std::size_t at) const { return *static_cast<Zone*>(children[at]); }

  // A child's bound was `before` and is now `code`: keeps this zone's own in its parent, and so on
  // upwards.
  void set_bound(std::size_t which, std::size_t child, Code before, Code code);
  void set_regions(std::size_t gate, std::size_t child, RegionMask regions);
  void add_regions(std::size_t gate, std::size_t child, RegionMask added);
  void drop_regions(std::size_t gate, std::size_t child, RegionMask lost);

  RegionMask all_regions(std::size_t gate) const {
    RegionMask all = 0;
    for (std::size_t i = 0; i < count; ++i) all |= regions[gate][i];
    return all;
  }
};

}  // namespace fallow::core
