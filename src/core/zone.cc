#include "core/zone.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace fallow::core {

void Block::give_up(LaneMask lanes) {
  used &= ~lanes;
  for (LaneMask Block::*const marks : kLaneMarks) this->*marks &= used;
}

void Block::settle_disk() {
  Micros least(std::numeric_limits<std::int64_t>::max());
  for (LaneMask left = used; left != 0; left &= left - 1) {
    least = std::min(least, offers[first_lane(left)].disk_gb_hour);
  }
  parent->disk_gb_hours[place] = least;
}

void Block::add_disk(Micros gb_hour) {
  Micros& least = parent->disk_gb_hours[place];
  if (size() == 1 || gb_hour < least) least = gb_hour;
}

void Block::drop_disk(Micros gb_hour) {
  Micros& least = parent->disk_gb_hours[place];
  if (least < gb_hour) return;
  // Each offer is a line of the cache: the first that costs as little ends it.
  Micros rest(std::numeric_limits<std::int64_t>::max());
  for (LaneMask left = used; left != 0; left &= left - 1) {
    rest = std::min(rest, offers[first_lane(left)].disk_gb_hour);
    if (rest == least) return;
  }
  least = rest;
}

void Block::set_bound(std::size_t which, Code code) {
  const Code before = std::exchange(own.at[which], code);
  if (before != code) parent->set_bound(which, place, before, code);
}

void Block::set_regions(std::size_t gate, RegionMask regions_now) {
  if (own_regions[gate] == regions_now) return;
  own_regions[gate] = regions_now;
  parent->set_regions(gate, place, regions_now);
}

void Block::add_regions(std::size_t gate, RegionMask added) {
  if ((own_regions[gate] & added) == added) return;
  own_regions[gate] |= added;
  parent->add_regions(gate, place, added);
}

void Block::drop_region(std::size_t gate, Code region) {
  RegionMask lost = region_mask_of(region);
  if (~own_regions[gate] == 0) {
    lost &= ~regions(gate);  // some may have a region that is not told apart
  } else if ((open(gate) & lanes_alike(row(Column::kRegion), region, kRegionBits)) != 0) {
    return;
  }
  if (lost == 0) return;
  own_regions[gate] &= ~lost;
  parent->drop_regions(gate, place, lost);
}

void Zone::add_regions(std::size_t gate, std::size_t child, RegionMask added) {
  for (Zone* zone = this;; zone = zone->parent) {
    RegionMask& mask = zone->regions[gate][child];
    if ((mask & added) == added) return;
    mask |= added;
    if (zone->parent == nullptr) return;
    child = zone->place;
  }
}

void Zone::drop_regions(std::size_t gate, std::size_t child, RegionMask lost) {
  for (Zone* zone = this;; zone = zone->parent) {
    const auto& masks = zone->regions[gate];
    zone->regions[gate][child] &= ~lost;
    if (zone->parent == nullptr) return;
    // Nearly always one of the next children has it still.
    for (std::size_t i = child + 1; i < zone->count && lost != 0; ++i) lost &= ~masks[i];
    for (std::size_t i = 0; i < child && lost != 0; ++i) lost &= ~masks[i];
    if (lost == 0) return;
    child = zone->place;
  }
}

void Zone::set_bound(std::size_t which, std::size_t child, Code before, Code code) {
  for (Zone* zone = this;; zone = zone->parent) {
    LaneRow& row = zone->best[which];
    row.at[child] = code;
    if (zone->parent == nullptr) return;
    const Code own = zone->parent->best[which].at[zone->place];
    if (code < own && before < own) return;  // another child has the best
    if (code < own) code = greatest(row);
    if (code == own) return;
    before = own;
    child = zone->place;
  }
}

void Zone::set_regions(std::size_t gate, std::size_t child, RegionMask regions_now) {
  Zone* zone = this;
  for (;;) {
    RegionMask& mask = zone->regions[gate][child];
    if (mask == regions_now) return;
    mask = regions_now;
    if (zone->parent == nullptr) return;
    regions_now = zone->all_regions(gate);
    child = zone->place;
    zone = zone->parent;
  }
}

}  // namespace fallow::core
