#include "core/zone.h"

#include <algorithm>
#include <limits>

namespace fallow::core {

void Block::settle_disk() {
  if (parent == nullptr) return;  // it is not attached yet
  Micros least(std::numeric_limits<std::int64_t>::max());
  for (LaneMask left = used; left != 0; left &= left - 1) {
    least = std::min(least, disk_gb_hours[first_lane(left)]);
  }
  parent->disk_gb_hours[place] = least;
}

void Block::set_bound(std::size_t which, Code code) {
  own.bounds[which] = code;
  parent->set_bound(which, place, code);
}

void Block::set_regions(std::size_t gate, RegionMask regions_now) {
  if (own_regions[gate] == regions_now) return;
  own_regions[gate] = regions_now;
  parent->set_regions(gate, place, regions_now);
}

void Zone::set_bound(std::size_t which, std::size_t child, Code code) {
  Zone* zone = this;
  for (;;) {
    LaneRow& row = zone->best[which];
    const Code before = row.at[child];
    if (before == code) return;
    row.at[child] = code;
    if (zone->parent == nullptr) return;
    const Code own = zone->parent->best[which].at[zone->place];
    if (code < own && before < own) return;  // another child has the best
    if (code < own) code = greatest(row);
    if (code == own) return;
    child = zone->place;
    zone = zone->parent;
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
