// What the block book answers: match, list, possible, relaxations.
#include <algorithm>
#include <bit>
#include <utility>

#include "core/block_book.h"
#include "core/block_walk.h"
#include "core/relaxation.h"
#include "core/row_key.h"

namespace fallow::core {
namespace {

bool holds_node(std::span<const NodeId> nodes, NodeId node) {
  return std::find(nodes.begin(), nodes.end(), node) != nodes.end();
}

// So many offers of a block are tried in the order of keys, which takes a look at all that are left
// for each; where the first few do not fit, the rest is taken as it stands.
constexpr int kTriedInOrder = 4;

// Visits offers of the block on `lanes`, about in the order of keys, until `visit` says no.
template <class Visit>
void each_offer(const Block& block, LaneMask lanes, Visit&& visit) {
  for (int tried = 0; lanes != 0; ++tried) {
    const std::size_t lane =
        tried < kTriedInOrder ? block.first_in_order(lanes) : first_lane(lanes);
    lanes &= ~lane_bit(lane);
    if (!visit(lane, tried < kTriedInOrder)) return;
  }
}

const OfferClass& first_class(const BlockOffer& offer) { return offer.place.block->tree->owner(); }

Demand cheapest_of(const Demand& demand) {
  Demand cheapest = demand;
  cheapest.requirements.set_objective(v1::CHEAPEST);
  cheapest.avoid = {};
  return cheapest;
}

}  // namespace

BlockAsk::Classes BlockBook::classes_for(const Query& query) const {
  BlockAsk::Classes classes;
  for (const Predicate& predicate : query.predicates()) {
    if (predicate.field != Field::kGpuName) continue;
    if (predicate.op != Operator::kEqual && predicate.op != Operator::kIn) continue;
    for (const std::string& word : predicate.words) {
      const auto model = classes_by_model_.find(word);
      if (model == classes_by_model_.end()) continue;
      for (const OfferClass* of : model->second) {
        if (query.admits(of->device())) classes.push_back(of);
      }
    }
    // A list may name a model twice.
    if (predicate.words.size() > 1) {
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
  return BlockAsk(demand, supply, regions_, classes_for(demand.query));
}

struct BlockBook::Best : Hit {};

bool BlockBook::consider(const BlockAsk& ask, Slot slot, const OfferClass& of, bool former,
                         Best& best, Best& fallback) const {
  const BlockOffer& offer = offers_[slot];
  if (!former && offer.former && ask.quoted()) return false;  // it stands by its former price too
  const auto candidate = ask.fit(offer, of, former);
  if (!candidate) return false;
  const std::span<const NodeId> avoid = ask.matcher().demand().avoid;
  Best& kept = !avoid.empty() && holds_node(avoid, offer.id) ? fallback : best;
  const Rank rank = ask.matcher().rank(offer.id, offer.load.reliability, *candidate);
  if (kept.offer == nullptr || rank < kept.rank) {
    kept.slot = slot;
    kept.offer = &offer;
    kept.candidate = *candidate;
    kept.rank = rank;
  }
  return &kept == &best;
}

// Of one class: what a walk does, without a heap of classes.
void BlockBook::find_in(const BlockAsk& ask, const OfferClass& of, Best& best,
                        Best& fallback) const {
  const Micros price_max = ask.device_hour_max();
  Micros judged(-1);
  BlockCursor cursor(of.now().root(), ask.sieve(), ask.device_hour_min());
  while (const Block* const block = cursor.next()) {
    const OfferKey& key = cursor.key();
    if (ask.paid_hour(key.device_hour, of) > price_max) return;
    if (best.offer != nullptr) {
      const bool new_price = std::exchange(judged, key.device_hour) != key.device_hour;
      if (new_price && best.rank < ask.bound(key, of)) return;
      if (best.rank < ask.bound(key, cursor.disk_gb_hour(), of, cursor.single_price())) continue;
    }
    bool found = false;
    each_offer(*block, ask.sieve().sift(*block), [&](std::size_t lane, bool in_order) {
      if (best.offer != nullptr && ask.is_behind(*block, lane, of, best.candidate, best.rank)) {
        return true;
      }
      const bool fits = consider(ask, block->slots[lane], of, false, best, fallback);
      found |= fits;
      return !fits || !in_order || !ask.key_order(of);
    });
    // In the order of keys the first that fits is the best.
    if (found && ask.key_order(of)) return;
  }
}

std::optional<BlockBook::Hit> BlockBook::find(const BlockAsk& ask) const {
  Best best;
  Best fallback;  // among the nodes to be avoided
  if (!ask.quoted() && !ask.matcher().spot() && ask.classes().size() == 1) {
    find_in(ask, *ask.classes().front(), best, fallback);
    if (best.offer != nullptr) return best;
    if (fallback.offer != nullptr) return fallback;
    return std::nullopt;
  }
  const auto beyond = [&](const Rank& bound) { return best.offer != nullptr && best.rank < bound; };
  BlockWalk walk(ask, Micros(0));
  while (!walk.done() && !beyond(walk.bound())) {
    if (!walk.advance()) continue;
    const OfferClass& of = walk.of_class();
    const Block& block = walk.block();
    const auto behind = [&](const auto& test) {
      return best.offer != nullptr && !walk.former() && test();
    };
    if (behind([&] {
          return best.rank < ask.bound(walk.key(), walk.disk_gb_hour(), of, walk.single_price());
        })) {
      continue;
    }
    each_offer(block, ask.sieve().sift(block), [&](std::size_t lane, bool in_order) {
      if (behind([&] { return ask.is_behind(block, lane, of, best.candidate, best.rank); })) {
        return true;
      }
      const bool fits = consider(ask, block.slots[lane], of, walk.former(), best, fallback);
      // Of those that follow in the order of keys none ranks before one that fits.
      return !fits || !in_order || walk.former() || !ask.key_order(of);
    });
  }
  if (best.offer != nullptr) return best;
  if (fallback.offer != nullptr) return fallback;
  return std::nullopt;
}

Placement BlockBook::placement(const BlockAsk& ask, const Hit& hit) const {
  const Matcher& matcher = ask.matcher();
  if (!hit.offer->plain || hit.offer->discounts || matcher.spot() ||
      matcher.share() != kWholeDevice || ask.supply() != Supply::kFree) {
    return matcher.placement(*hit.offer->node, hit.candidate, ask.supply());
  }
  Placement placement;
  placement.node = hit.offer->node;
  std::uint64_t left = hit.offer->load.whole_mask;
  for (std::uint32_t i = 0; i < matcher.gpus(); ++i, left &= left - 1) {
    placement.devices.push_back(static_cast<std::uint32_t>(std::countr_zero(left)));
  }
  placement.device_hour = hit.candidate.device_hour;
  placement.disk_gb_hour = hit.candidate.disk_gb_hour;
  placement.rate_hour = hit.candidate.rate_hour;
  placement.list_hour = hit.candidate.device_hour;
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
  Best best;
  BlockWalk walk(ask, Micros(0));
  while (!walk.done()) {
    if (!walk.advance()) continue;
    each_offer(walk.block(), ask.sieve().sift(walk.block()), [&](std::size_t lane, bool) {
      consider(ask, walk.block().slots[lane], walk.of_class(), walk.former(), best, best);
      return best.offer == nullptr;
    });
    if (best.offer != nullptr) return true;
  }
  return false;
}

bool BlockBook::counts_here(const BlockAsk& ask, const BlockOffer& offer, const OfferClass& of) {
  if (!offer.several()) return true;
  const OfferClass* first = nullptr;
  for (const OfferClass* own : offer.more->of_device) {
    if (first != nullptr && !(own->key() < first->key())) continue;
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
    if (!by_rank) row.key = order.key(*row.hit.offer->node, row.hit.candidate);
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
  if (by_rank && after && matcher.objective() == v1::CHEAPEST &&
      demand.requirements.disk_mb() == 0) {
    from = matcher.device_hour_from(after->rank.rate_hour);
  }
  BlockWalk walk(ask, from);
  while (!walk.done() && !beyond(walk.bound())) {
    if (!walk.advance()) continue;
    each_offer(walk.block(), ask.sieve().sift(walk.block()), [&](std::size_t lane, bool) {
      const Slot slot = walk.block().slots[lane];
      const BlockOffer& offer = offers_[slot];
      const OfferClass& of = walk.of_class();
      if (!walk.former() && offer.former && ask.quoted()) return true;
      if (!counts_here(ask, offer, of)) return true;
      Row row;
      auto candidate = free.fit(offer, of, walk.former());
      if (!candidate && !options.free_only) {
        row.supply = Supply::kOffered;
        candidate = offered.fit(offer, of, walk.former());
      }
      if (!candidate) return true;
      row.hit.slot = slot;
      row.hit.offer = &offer;
      row.hit.candidate = *candidate;
      row.rank = matcher.rank(offer.id, offer.load.reliability, *candidate);
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

std::vector<v1::Relaxation> BlockBook::relaxations(const Demand& demand) const {
  const Demand any = cheapest_of(demand);
  const BlockAsk ask = prepare(any);
  if (find(ask)) return {};
  const std::vector<Predicate>& predicates = any.query.predicates();
  RelaxationScan scan(any);
  // Every offer, the cheapest first.
  const Demand everything;
  BlockAsk::Classes classes;
  for (const auto& [key, of] : classes_) classes.push_back(of.get());
  const BlockAsk all(everything, Supply::kOffered, regions_, classes);
  BlockWalk walk(all, Micros(0));
  const OfferClass* known = nullptr;
  Sieve::Failures of_class;
  while (!walk.done()) {
    if (!walk.advance()) continue;
    const OfferClass& of = walk.of_class();
    if (&of != known) {
      known = &of;
      of_class = {};
      for (std::size_t i = 0; i < predicates.size(); ++i) {
        const Predicate& predicate = predicates[i];
        if (!is_of_device(predicate.field) || predicate.holds(of.device())) continue;
        of_class.add(i, is_word(predicate.field)
                            ? 0
                            : distance_to(predicate, number_of(of.device(), predicate.field)));
      }
      // A processor that is not asked for stays out whichever condition moves.
      if (of_class.count == 0 && !any.query.admits(of.device())) of_class.count = 2;
    }
    each_offer(walk.block(), walk.block().used, [&](std::size_t lane, bool) {
      const Slot slot = walk.block().slots[lane];
      const BlockOffer& offer = offers_[slot];
      if (&first_class(offer) != &of) return true;  // a node counts once
      // Two failures are not mended by one change; and as the cheapest come first, most that fail
      // in one thing are no better than what was found. Only the rest are looked at closely.
      Sieve::Failures failures = ask.sieve().failures(offer);
      if (!offer.several() && failures.count < 2) {
        if (of_class.count > 0) failures.add(of_class.predicate, of_class.distance);
        failures.count += of_class.count > 1 ? 1 : 0;
      }
      if (failures.count > 1) return true;
      if (failures.count == 1 && !offer.former && !offer.discounts &&
          any.requirements.tier() != v1::SPOT &&
          !scan.worth(failures.predicate, failures.distance,
                      ask.matcher().bound(offer.device_hour, 0).rate_hour)) {
        return true;
      }
      scan.consider(*offer.node);
      return true;
    });
  }
  return scan.finish();
}

}  // namespace fallow::core
