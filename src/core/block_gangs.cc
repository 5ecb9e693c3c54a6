// What the block book answers for gangs: the nodes of the smallest group that suffices.
#include <algorithm>
#include <boost/container/small_vector.hpp>
#include <boost/unordered/unordered_flat_map.hpp>
#include <optional>
#include <queue>
#include <utility>

#include "core/block_book.h"
#include "core/block_met.h"
#include "core/block_walk.h"

namespace fallow::core {
namespace {

// The best gang among the groups of one size. Fits come in match()'s order, so the first ones of a
// group are its best, and of two equally cheap groups the one that is complete first counts.
class GangGroups {
 public:
  using Members = boost::container::small_vector<std::uint32_t, 8>;  // places among fits, ascending

  GangGroups(std::size_t nodes, bool by_slowest) : nodes_(nodes), by_slowest_(by_slowest) {}

  void add(std::uint32_t key, std::uint32_t fit, std::int64_t first) {
    const auto [at, is_new] = places_.try_emplace(key, static_cast<std::uint32_t>(groups_.size()));
    if (is_new) groups_.emplace_back();
    Group& group = groups_[at->second];
    if (group.members.size() == nodes_) return;
    group.members.push_back(fit);
    group.sum += first;
    if (group.members.size() < nodes_) return;
    const Wide total = by_slowest_ ? Wide{first} : group.sum;
    if (best_ && least_ <= total) return;
    best_ = at->second;
    least_ = total;
  }

  // Null: none is complete.
  const Members* best() const { return best_ ? &groups_[*best_].members : nullptr; }

  // Can no group do better any more, when fits from now on are no better than `first`?
  bool settled(std::int64_t first) {
    if (!best_) return false;
    if (by_slowest_) return least_ <= first;
    if (could_beat(Group{}, first)) return false;
    // One group that still may is witness enough, and mostly the same one as before.
    if (could_beat(groups_[witness_], first)) return false;
    for (std::uint32_t at = 0; at < groups_.size(); ++at) {
      if (!could_beat(groups_[at], first)) continue;
      witness_ = at;
      return false;
    }
    return true;
  }

 private:
  struct Group {
    Members members;
    Wide sum = 0;
  };
  bool could_beat(const Group& group, std::int64_t first) const {
    const std::size_t missing = nodes_ - group.members.size();
    return missing > 0 && group.sum + Wide{first} * static_cast<std::int64_t>(missing) < least_;
  }

  const std::size_t nodes_;
  const bool by_slowest_;
  std::vector<Group> groups_;  // as they were met
  // Points only, never iterated.
  boost::unordered_flat_map<std::uint32_t, std::uint32_t> places_;
  std::uint32_t witness_ = 0;
  std::optional<std::uint32_t> best_;
  Wide least_ = 0;
};

}  // namespace

// The offers that fit, each once, in match()'s order.
class BlockBook::RankedFits {
 public:
  struct Fit {
    Rank rank;
    Hit hit;
  };

  RankedFits(const BlockBook& book, const BlockAsk& ask)
      : book_(book), ask_(ask), walk_(ask, Micros(0)) {}

  std::optional<Fit> next() {
    while (met_.empty() || (!walk_.done() && walk_.bound() < met_.top().rank)) {
      if (walk_.done()) return std::nullopt;
      if (walk_.advance()) take_block();
    }
    const Fit first = met_.top();
    met_.pop();
    return first;
  }

 private:
  struct Later {
    bool operator()(const Fit& a, const Fit& b) const { return b.rank < a.rank; }
  };

  void take_block() {
    book_.each_offer(ask_, walk_.block(), walk_.of_class(), walk_.former(), [&](const Met& met) {
      const auto candidate = book_.fits_once(ask_, met);
      if (!candidate) return true;
      const LaneOffer& offer = met.block.offers[met.lane];
      met_.push({ask_.matcher().rank(offer.id, offer.reliability(), *candidate),
                 {BlockPlace(met.block, met.lane), *candidate}});
      return true;
    });
  }

  const BlockBook& book_;
  const BlockAsk& ask_;
  BlockWalk walk_;
  std::priority_queue<Fit, std::vector<Fit>, Later> met_;  // that nothing to come may precede
};

// One search for a gang: without the avoided nodes, or with them.
class BlockBook::GangSearch {
 public:
  GangSearch(const BlockBook& book, const BlockAsk& ask)
      : book_(book),
        ask_(ask),
        nodes_(nodes_of(ask.matcher().demand().requirements)),
        racks_(nodes_, ask.matcher().objective() == v1::FASTEST),
        lans_(nodes_, ask.matcher().objective() == v1::FASTEST),
        regions_(nodes_, ask.matcher().objective() == v1::FASTEST),
        any_rack_(book.racks_.largest() >= nodes_),
        any_lan_(book.lans_.largest() >= nodes_),
        any_region_(book.regions_.any_held_by(nodes_)) {}

  std::vector<Placement> run(bool with_avoided) {
    const Demand& demand = ask_.matcher().demand();
    RankedFits all(book_, ask_);
    while (fits_.size() < kGangOffersMax) {
      const auto fit = all.next();
      if (!fit || is_settled(fit->rank.first)) break;
      const NodeId node = fit->rank.node;
      if (holds_node(demand.barred, node)) continue;
      if (!with_avoided && holds_node(demand.avoid, node)) continue;
      take(*fit);
    }
    if (const auto* gang = racks_.best()) return placements(*gang);
    if (const auto* gang = lans_.best()) return placements(*gang);
    if (const auto* gang = regions_.best()) return placements(*gang);
    if (fits_.size() < nodes_) return {};
    GangGroups::Members first;
    for (std::uint32_t at = 0; at < nodes_; ++at) first.push_back(at);
    return placements(first);
  }

 private:
  // May no smaller group be found any more, nor a better one of the size that is found?
  bool is_settled(std::int64_t first) {
    if (fits_.size() < nodes_) return false;
    if (any_rack_ && !racks_.settled(first)) return false;
    if (racks_.best() != nullptr) return true;
    if (any_lan_ && !lans_.settled(first)) return false;
    if (lans_.best() != nullptr) return true;
    return !any_region_ || regions_.settled(first);
  }

  void take(const RankedFits::Fit& fit) {
    const auto place = static_cast<std::uint32_t>(fits_.size());
    fits_.push_back(fit);
    const LaneOffer& offer = fit.hit.place.block().offers[fit.hit.place.lane()];
    if (any_rack_) {
      const std::uint32_t rack = book_.racks_.of(offer.slot);
      if (rack != LanTable::kNone) racks_.add(rack, place, fit.rank.first);
      if (racks_.best() != nullptr) return;
    }
    if (any_lan_) {
      const std::uint32_t lan = book_.lans_.of(offer.slot);
      if (lan != LanTable::kNone) lans_.add(lan, place, fit.rank.first);
    }
    if (!any_region_ || lans_.best() != nullptr) return;
    // Once numbers had run out the same word may stand for itself in one offer and have a number in
    // another: then words count.
    const bool by_word = book_.regions_.overflowed();
    std::uint32_t region = by_word ? WordNumbers::kOther : offer.region;
    if (region == WordNumbers::kOther) {
      const std::string word = canonical_word(book_.offers_[offer.slot].node->facts.region());
      if (word.empty()) return;
      region +=
          1 + others_.try_emplace(word, static_cast<std::uint32_t>(others_.size())).first->second;
    } else if (book_.regions_.word(offer.region).empty()) {
      return;
    }
    regions_.add(region, place, fit.rank.first);
  }

  std::vector<Placement> placements(const GangGroups::Members& gang) const {
    std::vector<Placement> found;
    found.reserve(gang.size());
    for (const std::uint32_t at : gang) found.push_back(book_.placement(ask_, fits_[at].hit));
    return found;
  }

  const BlockBook& book_;
  const BlockAsk& ask_;
  const std::size_t nodes_;
  std::vector<RankedFits::Fit> fits_;  // at most kGangOffersMax
  GangGroups racks_;
  GangGroups lans_;
  GangGroups regions_;
  boost::unordered_flat_map<std::string, std::uint32_t> others_;  // regions without numbers; points
  const bool any_rack_;                                           // does any have offers enough?
  const bool any_lan_;
  const bool any_region_;
};

std::vector<Placement> BlockBook::match_gang(const Demand& demand) const {
  const BlockAsk ask = prepare(demand);
  std::vector<Placement> gang = GangSearch(*this, ask).run(demand.avoid.empty());
  if (gang.empty() && !demand.avoid.empty()) gang = GangSearch(*this, ask).run(true);
  return gang;
}

}  // namespace fallow::core
