#include "core/block_ask.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace fallow::core {
namespace {

Micros least_price(const Query& query) {
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

}  // namespace

BlockAsk::BlockAsk(const Demand& demand, Supply supply, const WordNumbers& regions, Classes classes)
    : matcher_(demand),
      supply_(supply),
      sieve_(matcher_, supply, regions),
      classes_(std::move(classes)),
      device_hour_min_(least_price(demand.query)),
      device_hour_max_(greatest_price(matcher_)),
      // Without disk, a dearer whole device always makes a dearer task.
      key_order_(matcher_.objective() == v1::CHEAPEST && demand.requirements.disk_mb() == 0 &&
                 std::uint64_t{matcher_.gpus()} * matcher_.share() >= kWholeDevice) {}

Rank BlockAsk::bound(const OfferKey& key, const OfferClass& of) const {
  Rank rank = matcher_.bound(paid_hour(key.device_hour, of), of.speed());
  const bool saturated = rank.rate_hour.value == std::numeric_limits<std::int64_t>::max();
  if (key_order(of) && !saturated) {
    rank.unreliability = std::int64_t{key.unreliability} - std::int64_t{BlockOffer::kUnreliable};
    rank.node = key.node;
  }
  return rank;
}

Rank BlockAsk::bound(const OfferKey& key, Micros disk_gb_hour, const OfferClass& of,
                     bool single_price) const {
  // With discounts one price on the list is many.
  const bool single_rate = single_price && of.discount_max(matcher_.term()) == 0;
  const std::uint32_t unreliability = single_rate ? key.unreliability : 0;
  const Candidate least{.rate_hour = rate_of(matcher_.demand().requirements,
                                             paid_hour(key.device_hour, of), disk_gb_hour),
                        .speed = of.speed()};
  return matcher_.rank(single_rate ? key.node : NodeId(0), BlockOffer::kUnreliable - unreliability,
                       least);
}

bool BlockAsk::is_behind(const Block& block, std::size_t lane, const OfferClass& of,
                         const Candidate& candidate, const Rank& best) const {
  const Micros rate = rate_of(matcher_.demand().requirements,
                              paid_hour(block.device_hours[lane], of), block.disk_gb_hours[lane]);
  const std::int64_t unreliability =
      std::int64_t{block.unreliabilities[lane]} - std::int64_t{BlockOffer::kUnreliable};
  if (matcher_.objective() == v1::CHEAPEST) {
    return rate != best.rate_hour ? rate > best.rate_hour : unreliability > best.unreliability;
  }
  // A node that is faster by its other devices is met in their class, too.
  if (of.speed() > candidate.speed) return false;
  return rate >= best.rate_hour && unreliability >= best.unreliability &&
         (rate > best.rate_hour || unreliability > best.unreliability);
}

std::optional<Candidate> BlockAsk::fit(const BlockOffer& offer, const OfferClass& of,
                                       bool former) const {
  const bool priced_apart = former || (offer.discounts && matcher_.term() != kNoBracket);
  const Sieve::Verdict verdict = priced_apart ? Sieve::Verdict::kAskNode : sieve_.judge(offer);
  if (verdict == Sieve::Verdict::kNo) return std::nullopt;
  if (verdict == Sieve::Verdict::kYes) {
    Candidate candidate{
        .device_hour = offer.device_hour,
        .disk_gb_hour = offer.disk_gb_hour,
        .rate_hour = rate_of(matcher_.demand().requirements, offer.device_hour, offer.disk_gb_hour),
        .speed = of.speed()};
    if (candidate.rate_hour > matcher_.rate_hour_max()) return std::nullopt;
    return candidate;
  }
  boost::container::small_vector<std::int64_t, 8> speeds;
  if (matcher_.objective() != v1::CHEAPEST) {
    if (offer.several()) {
      for (const OfferClass* own : offer.more->of_device) speeds.push_back(own->speed());
    } else {
      speeds.assign(offer.node->devices.size(), of.speed());
    }
  }
  return matcher_.fit(*offer.node, supply_,
                      {.speeds = {speeds.data(), speeds.size()}, .all_admitted = !offer.several()});
}

}  // namespace fallow::core
