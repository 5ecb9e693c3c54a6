#include "core/block_ask.h"

#include <algorithm>
#include <array>
#include <bit>
#include <limits>
#include <utility>

namespace fallow::core {
namespace {

Micros least_asked(const Query& query) {
  Micros least(0);
  for (const Predicate& predicate : query.predicates()) {
    const bool bounded = predicate.op == Operator::kGreater ||
                         predicate.op == Operator::kGreaterEqual ||
                         predicate.op == Operator::kEqual || predicate.op == Operator::kIn;
    if (predicate.field != Field::kPrice || !bounded || predicate.numbers.empty()) continue;
    least = std::max(least,
                     Micros(*std::min_element(predicate.numbers.begin(), predicate.numbers.end())));
  }
  return least;
}

Micros greatest_price(const Matcher& matcher) {
  const Micros rate = matcher.rate_hour_max();
  if (rate.value == std::numeric_limits<std::int64_t>::max()) return matcher.device_hour_max();
  // From this on the devices alone cost more than the limit.
  const Micros beyond = matcher.device_hour_from(rate + Micros(1));
  return std::min(matcher.device_hour_max(), beyond);
}

// Without disk, a dearer whole device always makes a dearer task.
bool ranks_as_keys(const Matcher& matcher) {
  return matcher.objective() == v1::CHEAPEST && !matcher.scored() && !matcher.spot() &&
         matcher.demand().requirements.disk_mb() == 0 &&
         std::uint64_t{matcher.gpus()} * matcher.share() >= kWholeDevice;
}

}  // namespace

bool holds_node(std::span<const NodeId> nodes, NodeId node) {
  return std::find(nodes.begin(), nodes.end(), node) != nodes.end();
}

Demand cheapest_of(const Demand& demand) {
  Demand cheapest = demand;
  cheapest.requirements.set_objective(v1::CHEAPEST);
  cheapest.by_price = true;
  cheapest.avoid = {};
  cheapest.barred = {};
  return cheapest;
}

BlockAsk::BlockAsk(const Demand& demand, const Scoring& scoring, Supply supply,
                   const OfferStore& offers, const WordNumbers& regions, Classes classes)
    : BlockAsk(Matcher(demand, scoring), supply, offers, regions, std::move(classes)) {}

BlockAsk::BlockAsk(const Matcher& matcher, Supply supply, const OfferStore& offers,
                   const WordNumbers& regions, Classes classes)
    : matcher_(matcher),
      device_hour_min_(least_asked(matcher.demand().query)),
      device_hour_max_(greatest_price(matcher)),
      key_order_(ranks_as_keys(matcher)),
      quoted_(matcher.demand().quoted_at.us > 0 && !matcher.spot()),
      weighs_(matcher.scored() || matcher.objective() == v1::COST_TO_COMPLETE),
      avoids_(!matcher.demand().avoid.empty() || !matcher.demand().barred.empty()),
      supply_(supply),
      classes_(std::move(classes)),
      sieve_(matcher, supply, offers, regions),
      offers_(offers) {
  if (matcher.weighs_locality()) {
    near_word_ = canonical_word(matcher.demand().requirements.near());
    near_ = regions.find(near_word_);
    near_by_word_ = regions.overflowed();
  }
}

Rank BlockAsk::bound(const OfferKey& key, const OfferClass& of) const {
  Rank rank = matcher_.bound(paid_hour(key.device_hour, of), speed(of));
  const bool saturated = rank.rate_hour.value == std::numeric_limits<std::int64_t>::max();
  if (key_order(of) && !saturated) {
    rank.unreliability = std::int64_t{key.unreliability} - std::int64_t{kUnreliable};
    rank.node = key.node;
  }
  return rank;
}

namespace {

// The zone's bounds of how likely nodes are to last, by span: the greatest behind each gate, and
// turned the least of any offer.
struct LastingBounds {
  std::array<std::size_t, kGates.size()> greatest{};
  std::size_t turned_least = kBounds;
};
constexpr auto kLastingBoundsBySpan = [] {
  std::array<LastingBounds, kSurvivalSpans.size()> bounds{};
  for (std::size_t span = 0; span < bounds.size(); ++span) {
    const Column column = lasting_column(span);
    for (std::size_t gate = 0; gate < kGates.size(); ++gate) {
      bounds[span].greatest[gate] = bound_of(column, gate, false);
    }
    bounds[span].turned_least = bound_of(column, kAnyOffer, true);
  }
  return bounds;
}();

}  // namespace

Rank BlockAsk::bound(const BlockCursor& cursor, const OfferClass& of) const {
  const OfferKey& key = cursor.key();
  const bool single_price = cursor.single_price();
  std::uint32_t lasting = kSurely;
  if (weighs_) {
    const LastingBounds& bounds = kLastingBoundsBySpan[matcher_.span()];
    lasting = survival_ppm(cursor.bound(bounds.greatest[sieve_.gate()]));
    // Where nothing is known of some, the leases that they kept may count: at one price fewer with
    // every further offer.
    if (cursor.bound(bounds.turned_least) == kCodeMax) {
      const std::uint32_t kept = single_price ? kUnreliable - key.unreliability : kSurely;
      lasting = std::max(lasting, matcher_.lasting_ppm(0, kept));
    }
  }
  // With discounts one price on the list is many.
  const bool single_rate = single_price && !discounts(of);
  const std::uint32_t unreliability = single_rate ? key.unreliability : 0;
  const Candidate least =
      matcher_.least(paid_hour(key.device_hour, of), cursor.disk_gb_hour(), speed(of), lasting);
  return matcher_.rank(single_rate ? key.node : NodeId(0), kUnreliable - unreliability, least);
}

bool BlockAsk::is_behind(const Block& block, std::size_t lane, const OfferClass& of,
                         const Candidate& candidate, const Rank& best) const {
  const LaneOffer& offer = block.offers[lane];
  if (matcher_.scored()) {
    // A node that is faster by its other devices is met in their class, too.
    const Candidate least = matcher_.least(paid_hour(offer.device_hour, of), offer.disk_gb_hour,
                                           speed(of), lasting_ppm(block, lane));
    return best < matcher_.rank(offer.id, offer.reliability(), least);
  }
  const Micros rate = matcher_.rate(paid_hour(offer.device_hour, of), offer.disk_gb_hour);
  const std::int64_t unreliability = -std::int64_t{offer.reliability()};
  if (matcher_.objective() == v1::CHEAPEST) {
    return rate != best.rate_hour ? rate > best.rate_hour : unreliability > best.unreliability;
  }
  if (speed(of) > candidate.speed) return false;  // as above
  if (matcher_.objective() == v1::COST_TO_COMPLETE &&
      lasting_ppm(block, lane) > candidate.lasting_ppm) {
    return false;
  }
  return rate >= best.rate_hour && unreliability >= best.unreliability &&
         (rate > best.rate_hour || unreliability > best.unreliability);
}

bool BlockAsk::is_near(const Block& block, std::size_t lane) const {
  const LaneOffer& offer = block.offers[lane];
  if (!near_by_word_) return near_ != WordNumbers::kOther && offer.region == near_;
  // Once numbers had run out the same word may have one here and none there.
  return canonical_word(offers_[offer.slot].node->facts.region()) == near_word_;
}

void BlockAsk::weigh(const Block& block, std::size_t lane, Candidate& candidate) const {
  candidate.lasting_ppm = lasting_ppm(block, lane);
  if (matcher_.weighs_locality()) candidate.elsewhere = !is_near(block, lane);
  if (matcher_.weighs_scarcity()) {
    candidate.scarce = matcher_.scarcity(*offers_[block.offers[lane].slot].node);
  }
  if (!matcher_.weighs_fragments()) return;
  const LaneOffer& offer = block.offers[lane];
  if (supply_ == Supply::kFree && (block.uneven & lane_bit(lane)) != 0) {
    const Node& node = *offers_[offer.slot].node;
    candidate.stranded = matcher_.stranded(node, supply_, matcher_.choose(node, supply_));
    return;
  }
  const auto whole = supply_ == Supply::kFree
                         ? static_cast<std::uint32_t>(std::popcount(offer.whole_mask))
                         : std::uint32_t{block.row(Column::kDevices).at[lane]};
  candidate.stranded = matcher_.stranded(whole);
}

std::optional<Candidate> BlockAsk::fit(const Block& block, std::size_t lane, const OfferClass& of,
                                       bool former, bool surely) const {
  using Verdict = Sieve::Verdict;
  const Micros device_hour = block.offers[lane].device_hour;
  Verdict verdict = Verdict::kAskNode;
  const bool priced_apart =
      former || (discounts(of) && offers_[block.offers[lane].slot].discounts() != Discounts{});
  if (!priced_apart && surely) {
    verdict = sieve_.accepts_price(device_hour) ? Verdict::kYes : Verdict::kNo;
  } else if (!priced_apart) {
    verdict = sieve_.judge(block, lane);
  }
  if (verdict == Verdict::kNo) return std::nullopt;
  if (verdict == Verdict::kYes) {
    const Micros disk_gb_hour = block.offers[lane].disk_gb_hour;
    Candidate candidate{.device_hour = device_hour,
                        .disk_gb_hour = disk_gb_hour,
                        .rate_hour = matcher_.rate(device_hour, disk_gb_hour),
                        .speed = speed(of)};
    if (candidate.rate_hour > matcher_.rate_hour_max()) return std::nullopt;
    if (weighs_) weigh(block, lane, candidate);
    return candidate;
  }
  const OfferStore::Offer& offer = offers_[block.offers[lane].slot];
  boost::container::small_vector<std::int64_t, 8> speeds;
  if (matcher_.objective() != v1::CHEAPEST) {
    if (offer.several()) {
      for (const OfferClass* own : offer.more->of_device) speeds.push_back(speed(*own));
    } else {
      speeds.assign(offer.node->devices.size(), speed(of));
    }
  }
  return matcher_.fit(*offer.node, supply_,
                      {.speeds = {speeds.data(), speeds.size()}, .all_admitted = !offer.several()});
}

}  // namespace fallow::core
