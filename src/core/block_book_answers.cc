// What the block book answers: match, list, possible.
#include <algorithm>
#include <bit>
#include <limits>
#include <utility>

#include "core/block_book.h"
#include "core/block_met.h"
#include "core/block_outranked.h"
#include "core/block_walk.h"
#include "core/row_key.h"

namespace fallow::core {
BlockAsk::Classes BlockBook::classes_for(const Query& query) const {
  BlockAsk::Classes classes;
  if (const Predicate* const named = query.names_models()) {
    for (const std::string& word : named->words) {
      const auto model = classes_by_model_.find(word);
      if (model == classes_by_model_.end()) continue;
      for (const OfferClass* of : model->second) {
        if (query.admits(of->device())) classes.push_back(of);
      }
    }
    // A list may name a model twice.
    if (named->words.size() > 1) {
      std::sort(classes.begin(), classes.end(),
                [](const OfferClass* a, const OfferClass* b) { return a->key() < b->key(); });
      classes.erase(std::unique(classes.begin(), classes.end()), classes.end());
    }
    return classes;
  }
  for (const auto& [key, of] : classes_) {
    if (query.admits(of->device())) classes.push_back(of.get());
  }
  return classes;
}

BlockAsk BlockBook::prepare(const Demand& demand, Supply supply) const {
  return BlockAsk(demand, scoring(), supply, offers_, regions_, classes_for(demand.query));
}

struct BlockBook::Best : Hit {
  Rank rank;
  bool found() const { return bool{place}; }
};

bool BlockBook::consider(const BlockAsk& ask, const Met& met, Best& best, Best& fallback) const {
  // By a quote's price it stands elsewhere, too.
  if (!met.former && ask.quoted() && offers_[met.slot()].former()) return false;
  const NodeId node = met.block.offers[met.lane].id;
  if (ask.avoids() && holds_node(ask.matcher().demand().barred, node)) return false;
  const auto candidate = ask.fit(met.block, met.lane, met.of, met.former, met.surely);
  if (!candidate) return false;
  const bool avoided = ask.avoids() && holds_node(ask.matcher().demand().avoid, node);
  Best& kept = avoided ? fallback : best;
  const std::uint32_t reliability = met.block.offers[met.lane].reliability();
  const Rank rank = ask.matcher().rank(node, reliability, *candidate);
  if (!kept.found() || rank < kept.rank) {
    kept.place = BlockPlace(met.block, met.lane);
    kept.candidate = *candidate;
    kept.rank = rank;
  }
  return !avoided;
}

void BlockBook::prefetch(const BlockAsk& ask) const {
  if (!ask.classes().empty()) ask.sieve().prefetch(ask.classes().front()->now().root());
}

void BlockBook::begin(const BlockAsk& ask, BlockSearch& search) const {
  search.end();
  if (ask.classes().empty()) return;
  const BlockTree& tree = ask.classes().front()->now();
  search.begin(ask, tree);
  if (!ask.takes_first()) search.end();  // the memory is asked for what comes first all the same
}

bool BlockBook::find_first(const BlockAsk& ask, const OfferClass& of, BlockSearch& search,
                           Hit& hit) const {
  const Micros price_max = ask.device_hour_max();
  const bool limited = price_max.value < std::numeric_limits<std::int64_t>::max();
  for (; const Block* const block = search.block(); search.next()) {
    if (limited && search.key().device_hour > price_max) return false;
    bool found = false;
    each_sifted(ask, *block, search.sifted(), of, false, [&](const Met& met) {
      const LaneRow& order = block->rank;
      if (found && order.at[hit.place.lane()] < order.at[met.lane]) return true;
      const auto candidate = ask.fit(*block, met.lane, of, false, met.surely);
      if (!candidate) return true;
      found = true;
      hit.place = BlockPlace(*block, met.lane);
      hit.candidate = *candidate;
      return !met.in_order;
    });
    if (!found) continue;
    block->prefetch_taken(hit.place.lane());  // as is most likely to follow
    return true;
  }
  return false;
}

// Of one class: what a walk does, without a heap of classes.
void BlockBook::find_in(const BlockAsk& ask, const OfferClass& of, Best& best,
                        Best& fallback) const {
  const Micros price_max = ask.device_hour_max();
  Micros judged(-1);
  Outranked outranked(ask, of);
  BlockCursor cursor(of.now().root(), ask.sieve(), ask.device_hour_min());
  while (const Block* const block = cursor.next()) {
    const OfferKey& key = cursor.key();
    if (ask.paid_hour(key.device_hour, of) > price_max) return;
    if (best.found()) {
      const bool new_price = std::exchange(judged, key.device_hour) != key.device_hour;
      if (new_price && best.rank < ask.bound(key, of)) return;
      if (best.rank < ask.bound(cursor, of)) continue;
    }
    const LaneMask left = best.found() ? outranked.left_of(*block, cursor) : block->used;
    if (left == 0) continue;
    Sifted sifted = ask.sieve().sift(*block);
    sifted.may &= left;
    if (best.found()) sifted.may = outranked.keep(*block, cursor, sifted.may, best.rank);
    bool found = false;
    each_sifted(ask, *block, sifted, of, false, [&](const Met& met) {
      if (best.found() && ask.is_behind(*block, met.lane, of, best.candidate, best.rank)) {
        return true;
      }
      const bool fits = consider(ask, met, best, fallback);
      found |= fits;
      return !fits || !met.in_order || !ask.key_order(met.of);
    });
    // In the order of keys the first that fits is the best.
    if (found && ask.key_order(of)) return;
  }
}

std::optional<BlockBook::Hit> BlockBook::find(const BlockAsk& ask) const {
  BlockSearch search;
  return find(ask, search);
}

std::optional<BlockBook::Hit> BlockBook::find(const BlockAsk& ask, BlockSearch& search) const {
  if (ask.takes_first()) {
    const OfferClass& of = *ask.classes().front();
    if (!search.holds(ask)) search.begin(ask, of.now());
    std::optional<Hit> hit(std::in_place);
    if (!find_first(ask, of, search, *hit)) hit.reset();
    search.end();
    return hit;
  }
  Best best;
  Best fallback;  // among the nodes to be avoided
  if (ask.single()) {
    find_in(ask, *ask.classes().front(), best, fallback);
  } else {
    find_among(ask, best, fallback);
  }
  if (best.found()) return best;
  if (fallback.found()) return fallback;
  return std::nullopt;
}

void BlockBook::find_among(const BlockAsk& ask, Best& best, Best& fallback) const {
  const auto beyond = [&](const Rank& bound) { return best.found() && best.rank < bound; };
  BlockWalk walk(ask, Micros(0));
  while (!walk.done() && !beyond(walk.bound())) {
    if (!walk.advance()) continue;
    const OfferClass& of = walk.of_class();
    const auto behind = [&](const auto& test) { return best.found() && !walk.former() && test(); };
    if (behind([&] { return best.rank < walk.block_bound(); })) continue;
    each_offer(ask, walk.block(), of, walk.former(), [&](const Met& met) {
      if (behind(
              [&] { return ask.is_behind(met.block, met.lane, of, best.candidate, best.rank); })) {
        return true;
      }
      const bool fits = consider(ask, met, best, fallback);
      // Of those that follow in the order of keys none ranks before one that fits.
      return !fits || !met.in_order || met.former || !ask.key_order(met.of);
    });
  }
}

Placement BlockBook::placement(const BlockAsk& ask, const Hit& hit) const {
  const Matcher& matcher = ask.matcher();
  const Block& block = hit.place.block();
  const std::size_t lane = hit.place.lane();
  const Node& node = *offers_[block.offers[lane].slot].node;
  const bool plain = (block.plain & lane_bit(lane)) != 0;
  const bool priced_apart = matcher.spot() || matcher.term() != kNoBracket || ask.quoted();
  if (!plain || priced_apart || matcher.share() != kWholeDevice || ask.supply() != Supply::kFree) {
    return matcher.placement(node, hit.candidate, ask.supply());
  }
  Placement placement;
  placement.node = &node;
  std::uint64_t left = block.offers[lane].whole_mask;
  for (std::uint32_t i = 0; i < matcher.gpus(); ++i, left &= left - 1) {
    placement.devices.push_back(static_cast<std::uint32_t>(std::countr_zero(left)));
  }
  placement.device_hour = hit.candidate.device_hour;
  placement.disk_gb_hour = hit.candidate.disk_gb_hour;
  placement.rate_hour = hit.candidate.rate_hour;
  placement.list_hour = hit.candidate.device_hour;
  placement.egress_gb = node.offer.egress_gb;
  if (offers_[block.offers[lane].slot].more != nullptr) placement.discounts = node.offer.discounts;
  return placement;
}

std::optional<Placement> BlockBook::match(const Demand& demand) const {
  const BlockAsk ask = prepare(demand);
  const std::optional<Hit> hit = find(ask);
  if (!hit) return std::nullopt;
  return placement(ask, *hit);
}

bool BlockBook::possible(const Demand& demand) const {
  // Any match will do: the order by price is the shortest walk.
  const Demand any = cheapest_of(demand);
  const BlockAsk ask = prepare(any, Supply::kOffered);
  std::uint32_t missing = nodes_of(demand.requirements);
  BlockWalk walk(ask, Micros(0));
  while (!walk.done() && missing > 0) {
    if (!walk.advance()) continue;
    each_offer(ask, walk.block(), walk.of_class(), walk.former(), [&](const Met& met) {
      if (fits_once(ask, met)) --missing;
      return missing > 0;
    });
  }
  return missing == 0;
}

std::optional<Candidate> BlockBook::fits_once(const BlockAsk& ask, const Met& met) const {
  const Slot slot = met.slot();
  if (!met.former && ask.quoted() && offers_[slot].former()) return std::nullopt;
  if (!counts_here(ask, slot, met.of)) return std::nullopt;
  return ask.fit(met.block, met.lane, met.of, met.former, met.surely);
}

bool BlockBook::counts_here(const BlockAsk& ask, Slot slot, const OfferClass& of) const {
  const OfferStore::Offer& offer = offers_[slot];
  if (!offer.several()) return true;
  // The fastest: a node is never faster than the class in which it counts.
  const auto before = [&](const OfferClass& a, const OfferClass& b) {
    const std::int64_t speed_a = ask.speed(a);
    const std::int64_t speed_b = ask.speed(b);
    return speed_a != speed_b ? speed_a > speed_b : a.key() < b.key();
  };
  const OfferClass* first = nullptr;
  for (const OfferClass* own : offer.more->of_device) {
    if (first != nullptr && !before(*own, *first)) continue;
    if (ask.matcher().demand().query.admits(own->device())) first = own;
  }
  return first == &of;
}

std::vector<Placement> BlockBook::list(const Demand& demand, const ListOptions& options) const {
  if (options.count_max == 0) return {};
  const BlockAsk free = prepare(demand);
  const BlockAsk offered = prepare(demand, Supply::kOffered);
  const BlockAsk& ask = options.free_only ? free : offered;
  const Matcher& matcher = ask.matcher();
  const RowOrder order(matcher, options.order);
  const bool by_rank = options.order.empty();
  struct Row {
    Rank rank;
    RowKey key;  // where the order is the caller's own
    Hit hit;
    Supply supply = Supply::kFree;
  };
  const auto before = [&](const Row& a, const Row& b) {
    return by_rank ? a.rank < b.rank : order.before(a.key, b.key);
  };
  std::optional<Row> after;
  if (options.after) {
    after.emplace();
    after->key = *options.after;
    if (by_rank) after->rank = RowOrder::rank(*options.after);
  }
  std::vector<Row> rows;  // once it is full, a heap with the last row on top
  const auto take = [&](Row&& row) {
    if (!by_rank) row.key = order.key(*offers_[slot_of(row.hit)].node, row.hit.candidate);
    if (after && !before(*after, row)) return;
    if (rows.size() < options.count_max) {
      rows.push_back(std::move(row));
      if (rows.size() == options.count_max) std::make_heap(rows.begin(), rows.end(), before);
    } else if (before(row, rows.front())) {
      std::pop_heap(rows.begin(), rows.end(), before);
      rows.back() = std::move(row);
      std::push_heap(rows.begin(), rows.end(), before);
    }
  };
  const auto beyond = [&](const Rank& bound) {
    return by_rank && rows.size() == options.count_max && rows.front().rank < bound;
  };
  Micros from(0);
  if (by_rank && after && matcher.objective() == v1::CHEAPEST && !matcher.scored() &&
      demand.requirements.disk_mb() == 0) {
    from = matcher.device_hour_from(after->rank.rate_hour);
  }
  BlockWalk walk(ask, from);
  while (!walk.done() && !beyond(walk.bound())) {
    if (!walk.advance()) continue;
    each_offer(ask, walk.block(), walk.of_class(), walk.former(), [&](const Met& met) {
      const Slot slot = met.slot();
      if (!met.former && ask.quoted() && offers_[slot].former()) return true;
      if (!counts_here(ask, slot, met.of)) return true;
      Row row;
      auto candidate = free.fit(met.block, met.lane, met.of, met.former, false);
      if (!candidate && !options.free_only) {
        row.supply = Supply::kOffered;
        candidate = offered.fit(met.block, met.lane, met.of, met.former, met.surely);
      }
      if (!candidate) return true;
      row.hit.place = BlockPlace(met.block, met.lane);
      row.hit.candidate = *candidate;
      row.rank = matcher.rank(met.block.offers[met.lane].id,
                              met.block.offers[met.lane].reliability(), *candidate);
      take(std::move(row));
      return true;
    });
  }
  std::sort(rows.begin(), rows.end(), before);
  std::vector<Placement> placements;
  placements.reserve(rows.size());
  for (const Row& row : rows) {
    placements.push_back(placement(row.supply == Supply::kFree ? free : offered, row.hit));
  }
  return placements;
}

}  // namespace fallow::core
