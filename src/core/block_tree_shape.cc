// How a BlockTree keeps its shape: splits, merges, and what is checked of it.
#include <algorithm>
#include <array>
#include <bit>
#include <limits>
#include <utility>

#include "base/check.h"
#include "core/block_tree.h"

namespace fallow::core {
namespace {

// Sparser ones are merged with a neighbour when both fit in kMergedMax: a merged one does not split
// again soon.
constexpr std::size_t kSparse = 16;
constexpr std::size_t kMergedMax = 48;

template <class T>
void open_gap(std::array<T, kLanes>& values, std::size_t at, std::size_t count) {
  const auto begin = values.begin();
  std::move_backward(begin + static_cast<std::ptrdiff_t>(at),
                     begin + static_cast<std::ptrdiff_t>(count),
                     begin + static_cast<std::ptrdiff_t>(count + 1));
  values[at] = T{};
}
template <class T>
void close_gap(std::array<T, kLanes>& values, std::size_t at, std::size_t count) {
  const auto begin = values.begin();
  std::move(begin + static_cast<std::ptrdiff_t>(at + 1), begin + static_cast<std::ptrdiff_t>(count),
            begin + static_cast<std::ptrdiff_t>(at));
  values[count - 1] = T{};
}

// Visits every array of a zone that has a place for each child.
template <class Visit>
void each_array(Zone& zone, Visit&& visit) {
  visit(zone.children);
  visit(zone.keys);
  for (LaneRow& row : zone.best) visit(row.at);
  for (auto& masks : zone.regions) visit(masks);
  visit(zone.disk_gb_hours);
}

// The children of `from` on move behind those of `to`.
void move_children(Zone& from, std::size_t first, Zone& to) {
  const auto copy = [&](auto& source, auto& target) {
    for (std::size_t i = first; i < from.count; ++i) {
      target[to.count + (i - first)] = source[i];
      source[i] = {};
    }
  };
  copy(from.children, to.children);
  copy(from.keys, to.keys);
  for (std::size_t i = 0; i < kBounds; ++i) copy(from.best[i].at, to.best[i].at);
  for (std::size_t i = 0; i < kGates.size(); ++i) copy(from.regions[i], to.regions[i]);
  copy(from.disk_gb_hours, to.disk_gb_hours);
  const std::size_t before = to.count;
  to.count = static_cast<std::uint8_t>(before + (from.count - first));
  from.count = static_cast<std::uint8_t>(first);
  for (std::size_t i = before; i < to.count; ++i) {
    to.children[i]->parent = &to;
    to.children[i]->place = static_cast<std::uint8_t>(i);
  }
}

}  // namespace

void BlockTree::drop(Zone& zone) {
  for (std::size_t i = 0; i < zone.count; ++i) {
    if (zone.level > 1) {
      drop(zone.zone(i));
    } else {
      destroy(zone.block(i));
    }
  }
  destroy(zone);
}

Block& BlockTree::new_block() {
  Block& block = memory_.blocks.take();
  block.tree = this;
  bytes_ += sizeof(Block);
  return block;
}

Zone& BlockTree::new_zone(std::uint8_t level) {
  Zone& zone = memory_.zones.take();
  zone.level = level;
  bytes_ += sizeof(Zone);
  return zone;
}

void BlockTree::destroy(Block& block) {
  bytes_ -= sizeof(Block);
  memory_.blocks.free(block);
}

void BlockTree::destroy(Zone& zone) {
  bytes_ -= sizeof(Zone);
  memory_.zones.free(zone);
}

// The last child whose range begins at or before the key.
Block& BlockTree::block_for(const OfferKey& key) {
  if (root_->count == 0) attach(*root_, 0, new_block(), key);
  Zone* zone = root_;
  for (;;) {
    const auto end = zone->keys.begin() + zone->count;
    const auto behind = std::upper_bound(zone->keys.begin(), end, key);
    std::size_t at = 0;
    if (behind == zone->keys.begin()) {
      zone->keys[0] = key;
    } else {
      at = static_cast<std::size_t>(behind - zone->keys.begin()) - 1;
    }
    if (zone->level == 1) return zone->block(at);
    zone = &zone->zone(at);
  }
}

void BlockTree::attach(Zone& zone, std::size_t at, Branch& child, const OfferKey& key) {
  FALLOW_CHECK(zone.count < kLanes, "a zone has {} children", zone.count);
  each_array(zone, [&](auto& values) { open_gap(values, at, zone.count); });
  ++zone.count;
  zone.children[at] = &child;
  zone.keys[at] = key;
  child.parent = &zone;
  for (std::size_t i = at; i < zone.count; ++i) {
    zone.children[i]->place = static_cast<std::uint8_t>(i);
  }
}

void BlockTree::detach(Branch& child) {
  Zone& zone = *child.parent;
  const std::size_t at = child.place;
  for (std::size_t i = 0; i < kBounds; ++i) zone.set_bound(i, at, zone.best[i].at[at], 0);
  for (std::size_t i = 0; i < kGates.size(); ++i) zone.set_regions(i, at, 0);
  each_array(zone, [&](auto& values) { close_gap(values, at, zone.count); });
  --zone.count;
  for (std::size_t i = at; i < zone.count; ++i) {
    zone.children[i]->place = static_cast<std::uint8_t>(i);
  }
  child.parent = nullptr;
}

void BlockTree::refresh(Block& block) {
  block.settle_disk();
  for (std::size_t i = 0; i < kBounds; ++i) {
    block.set_bound(i, block.bound(i));
  }
  for (std::size_t i = 0; i < kGates.size(); ++i) {
    block.set_regions(i, block.regions(i));
  }
}

void BlockTree::refresh(Zone& zone) {
  if (zone.parent == nullptr) return;
  for (std::size_t i = 0; i < kBounds; ++i) {
    zone.parent->set_bound(i, zone.place, zone.parent->best[i].at[zone.place],
                           greatest(zone.best[i]));
  }
  for (std::size_t i = 0; i < kGates.size(); ++i) {
    zone.parent->set_regions(i, zone.place, zone.all_regions(i));
  }
}

// The offers on `lanes`, which come behind all of `to` and in `from` behind all that stay.
void BlockTree::move(Block& from, LaneMask lanes, Block& to) {
  const std::size_t base = to.size();
  const std::size_t first = from.size() - static_cast<std::size_t>(std::popcount(lanes));
  for (LaneMask left = lanes; left != 0; left &= left - 1) {
    const std::size_t source = first_lane(left);
    const std::size_t target = first_lane(~to.used);
    for (std::size_t i = 0; i < kColumns; ++i) {
      to.rows[i].at[target] = std::exchange(from.rows[i].at[source], Code{0});
    }
    to.rank.at[target] = static_cast<std::uint8_t>(from.rank.at[source] - first + base);
    to.offers[target] = from.offers[source];
    to.lasting[target] = std::exchange(from.lasting[source], Survival{});
    to.durations_max[target] = from.durations_max[source];
    for (std::size_t i = 0; i < kNumberRows; ++i) {
      to.numbers[i].at[target] = from.numbers[i].at[source];
    }
    for (LaneMask Block::*const marks : kLaneMarks) {
      set_lane(to.*marks, target, (from.*marks & lane_bit(source)) != 0);
    }
    to.used |= lane_bit(target);
    tell_place(to.offers[target].slot, {to, target});
  }
  from.give_up(lanes);
}

Block& BlockTree::split(Block& block) {
  LaneMask upper = 0;
  OfferKey key;
  for (std::size_t lane = 0; lane < kLanes; ++lane) {
    if (block.rank.at[lane] < kLanes / 2) continue;
    upper |= lane_bit(lane);
    if (block.rank.at[lane] == kLanes / 2) key = block.offers[lane].key();
  }
  if (block.parent->count == kLanes) split(*block.parent);
  Block& added = new_block();
  move(block, upper, added);
  attach(*block.parent, block.place + 1U, added, key);
  refresh(added);
  refresh(block);
  return added;
}

void BlockTree::split(Zone& zone) {
  if (zone.parent == nullptr) {
    root_ = &new_zone(static_cast<std::uint8_t>(zone.level + 1));
    attach(*root_, 0, zone, zone.keys[0]);
  } else if (zone.parent->count == kLanes) {
    split(*zone.parent);
  }
  Zone& added = new_zone(zone.level);
  const OfferKey key = zone.keys[kLanes / 2];
  move_children(zone, kLanes / 2, added);
  attach(*zone.parent, zone.place + 1U, added, key);
  refresh(added);
  refresh(zone);
}

void BlockTree::shrink(Block& block) {
  const std::size_t size = block.size();
  if (size >= kSparse) return;
  Zone& zone = *block.parent;
  const auto merge = [&](Block& left, Block& right) {
    if (left.size() + right.size() > kMergedMax) return false;
    move(right, right.used, left);
    refresh(left);
    detach(right);
    destroy(right);
    return true;
  };
  const std::size_t at = block.place;
  if (size == 0) {
    detach(block);
    destroy(block);
  } else if (at + 1U >= zone.count || !merge(block, zone.block(at + 1))) {
    if (at == 0 || !merge(zone.block(at - 1), block)) return;
  }
  shrink(zone);
}

void BlockTree::shrink(Zone& zone) {
  if (zone.parent == nullptr) {
    while (root_->level > 1 && root_->count == 1) {
      Zone& child = root_->zone(0);
      child.parent = nullptr;
      child.place = 0;
      destroy(*root_);
      root_ = &child;
    }
    return;
  }
  if (zone.count >= kSparse) return;
  Zone& parent = *zone.parent;
  const auto merge = [&](Zone& left, Zone& right) {
    if (std::size_t{left.count} + right.count > kMergedMax) return false;
    move_children(right, 0, left);
    refresh(left);
    detach(right);
    destroy(right);
    return true;
  };
  const std::size_t at = zone.place;
  if (zone.count == 0) {
    detach(zone);
    destroy(zone);
  } else if (at + 1U >= parent.count || !merge(zone, parent.zone(at + 1))) {
    if (at == 0 || !merge(parent.zone(at - 1), zone)) return;
  }
  shrink(parent);
}

// ---- what must hold --------------------------------------------------------------------------

void BlockTree::check() const {
  FALLOW_CHECK(root_->parent == nullptr, "the root hangs somewhere");
  const std::size_t found = check(*root_, nullptr, nullptr);
  FALLOW_CHECK(found == size_, "a tree of {} offers has {}", size_, found);
}

std::size_t BlockTree::check(const Zone& zone, const OfferKey* low, const OfferKey* high) const {
  std::size_t found = 0;
  for (std::size_t i = 0; i < kLanes; ++i) {
    const bool used = i < zone.count;
    FALLOW_CHECK(used == (zone.children[i] != nullptr), "child {} of {}", i, zone.count);
    const Branch* const child = zone.children[i];
    if (used) {
      FALLOW_CHECK(child->parent == &zone && child->place == i, "child {} hangs elsewhere", i);
      FALLOW_CHECK(i == 0 || zone.keys[i - 1] < zone.keys[i], "keys {} out of order", i);
      FALLOW_CHECK(i > 0 || low == nullptr || !(zone.keys[0] < *low), "a key before its zone's");
      const OfferKey* const next = i + 1U < zone.count ? &zone.keys[i + 1] : high;
      found += zone.level == 1 ? check(zone.block(i), zone.keys[i], next)
                               : check(zone.zone(i), &zone.keys[i], next);
    }
    for (std::size_t which = 0; which < kBounds; ++which) {
      Code expected = 0;
      if (used) {
        expected =
            zone.level == 1 ? zone.block(i).bound(which) : greatest(zone.zone(i).best[which]);
      }
      FALLOW_CHECK(zone.best[which].at[i] == expected, "bound {} of child {} is {}, not {}", which,
                   i, zone.best[which].at[i], expected);
    }
    for (std::size_t gate = 0; gate < kGates.size(); ++gate) {
      RegionMask expected = 0;
      if (used) {
        expected = zone.level == 1 ? zone.block(i).regions(gate) : zone.zone(i).all_regions(gate);
      }
      FALLOW_CHECK(zone.regions[gate][i] == expected, "regions of child {}", i);
    }
  }
  return found;
}

std::size_t BlockTree::check(const Block& block, const OfferKey& low, const OfferKey* high) const {
  FALLOW_CHECK(block.used != 0, "an empty block stands in a zone");
  for (std::size_t i = 0; i < kBounds; ++i) {
    FALLOW_CHECK(block.own.at[i] == block.bound(i), "a block's own bound {} is stale", i);
  }
  for (std::size_t i = 0; i < kGates.size(); ++i) {
    FALLOW_CHECK(block.own_regions[i] == block.regions(i), "a block's own regions are stale");
  }
  Micros disk_least(std::numeric_limits<std::int64_t>::max());
  for (LaneMask left = block.used; left != 0; left &= left - 1) {
    const std::size_t lane = first_lane(left);
    const OfferKey key = block.offers[lane].key();
    disk_least = std::min(disk_least, block.offers[lane].disk_gb_hour);
    FALLOW_CHECK(!(key < low) && (high == nullptr || key < *high), "offer {} is in a wrong block",
                 key.node.value);
    std::size_t rank = 0;
    for (LaneMask others = block.used; others != 0; others &= others - 1) {
      rank += block.offers[first_lane(others)].key() < key ? 1 : 0;
    }
    FALLOW_CHECK(block.rank.at[lane] == rank, "offer {} has a wrong rank", key.node.value);
    const OfferFacts facts = facts_at(block, lane, offers_);
    const OfferMore* const more = offers_[block.offers[lane].slot].more.get();
    FALLOW_CHECK(block.offers[lane].elsewhere == (more != nullptr),
                 "offer {} stands elsewhere unknown to its block", key.node.value);
    FALLOW_CHECK(
        order_ == Order::kPrice ||
            key.device_hour == (order_ == Order::kSpotFloor ? more->spot_floor : more->least_hour),
        "offer {} has a stale former price or spot floor", key.node.value);
    for (std::size_t span = 0; span < kSurvivalSpans.size(); ++span) {
      FALLOW_CHECK(block.lasting[lane].codes[span] == block.row(lasting_column(span)).at[lane],
                   "offer {} has a stale likelihood to last beside its load", key.node.value);
    }
    FALLOW_CHECK(((block.lasts >> lane & 1U) != 0) == (block.lasting[lane] != Survival{}),
                 "offer {} is marked wrongly as known to last", key.node.value);
    FALLOW_CHECK(((block.limited >> lane & 1U) != 0) == (facts.duration_max.value != 0),
                 "offer {} is marked wrongly as limited in time", key.node.value);
    const Codes codes = codes_of(facts);
    for (std::size_t i = 0; i < kColumns; ++i) {
      FALLOW_CHECK(block.rows[i].at[lane] == codes[i], "offer {} has a stale code in column {}",
                   key.node.value, i);
    }
    for (std::size_t i = 0; i < zone_bounds::kGated.size(); ++i) {
      FALLOW_CHECK(block.offers[lane].gated_codes[i] == codes[index_of(zone_bounds::kGated[i])],
                   "offer {} has a stale code beside its load", key.node.value);
    }
  }
  FALLOW_CHECK(block.parent->disk_gb_hours[block.place] == disk_least,
               "no offer of a block has a disk that costs {} micros",
               block.parent->disk_gb_hours[block.place].value);
  for (LaneMask Block::*const marks : kLaneMarks) {
    FALLOW_CHECK((block.*marks & ~block.used) == 0, "a free lane is marked");
  }
  for (LaneMask left = ~block.used; left != 0; left &= left - 1) {
    for (std::size_t i = 0; i < kColumns; ++i) {
      FALLOW_CHECK(block.rows[i].at[first_lane(left)] == 0, "a free lane has a code");
    }
  }
  return block.size();
}

}  // namespace fallow::core
