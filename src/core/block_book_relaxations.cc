// What the block book answers when nothing matches.
#include "core/block_book.h"
#include "core/block_walk.h"
#include "core/gang_relaxations.h"
#include "core/relaxation.h"

namespace fallow::core {

std::vector<v1::Relaxation> BlockBook::relaxations(const Demand& demand) const {
  const Demand any = cheapest_of(demand);
  if (nodes_of(any.requirements) > 1) return gang_relaxations(any);
  const BlockAsk ask = prepare(any);
  if (find(ask)) return {};
  RelaxationScan scan(any);
  scan_offers(ask, scan);
  return scan.finish();
}

std::vector<v1::Relaxation> BlockBook::gang_relaxations(const Demand& cheapest) const {
  const std::uint32_t nodes = nodes_of(cheapest.requirements);
  const std::size_t matching = list(cheapest, true, nodes).size();
  if (matching >= nodes) return {};
  GangRelaxationScan scan(cheapest, nodes - matching);
  scan_offers(prepare(cheapest), scan);
  std::vector<v1::Relaxation> answers;
  for (const GangChange& change : scan.finish()) {
    answers.push_back(relaxation_of(cheapest, change, match_gang(changed(cheapest, change))));
  }
  const std::vector<Placement> later = list(cheapest, false, nodes);
  if (later.size() == nodes) {
    const GangChange wait{Change::kWait, 0, static_cast<std::int64_t>(nodes - matching), {}};
    answers.push_back(relaxation_of(cheapest, wait, later));
  }
  order_relaxations(answers);
  return answers;
}

template <class Scan>
void BlockBook::scan_offers(const BlockAsk& ask, Scan& scan) const {
  const Demand& any = ask.matcher().demand();
  const std::vector<Predicate>& predicates = any.query.predicates();
  // Every offer, the cheapest first.
  const Demand everything;
  BlockAsk::Classes classes;
  for (const auto& [key, of] : classes_) classes.push_back(of.get());
  const BlockAsk all(everything, scoring(), Supply::kOffered, offers_, regions_, classes);
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
    const Block& block = walk.block();
    for (LaneMask left = block.used; left != 0; left &= left - 1) {
      const std::size_t lane = first_lane(left);
      const OfferStore::Offer& offer = offers_[block.offers[lane].slot];
      if (offer.several() && &first_class(block.offers[lane].slot) != &of)
        continue;  // it counts once
      // Two failures are not mended by one change; and as the cheapest come first, most that fail
      // in one thing are no better than what was found. Only the rest are looked at closely.
      Sieve::Failures failures = ask.sieve().failures(block, lane);
      if (!offer.several() && failures.count < 2) {
        if (of_class.count > 0) failures.add(of_class.predicate, of_class.distance);
        failures.count += of_class.count > 1 ? 1 : 0;
      }
      if (failures.count > 1) continue;
      const bool listed = !offer.former() && offer.discounts() == Discounts{} &&
                          any.requirements.tier() != v1::SPOT;
      if (failures.count == 1 && listed &&
          !scan.worth(failures.predicate, failures.distance,
                      ask.matcher().bound(block.offers[lane].device_hour, 0).rate_hour)) {
        continue;
      }
      scan.consider(*offer.node);
    }
  }
}

}  // namespace fallow::core
