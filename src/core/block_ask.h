// A demand made ready for the block book: parsed, sifted by classes, and what of it decides when a
// walk may end. Made once for an order that is matched many times.
//
// Market thread only. Refers to its demand, which must outlive it, and is good until a node is
// entered in the book, removed from it or changed otherwise than by update_load().
#pragma once

#include <boost/container/small_vector.hpp>
#include <cstdint>
#include <optional>

#include "core/block_class.h"
#include "core/block_words.h"
#include "core/placement.h"
#include "core/sieve.h"

namespace fallow::core {

class BlockAsk {
 public:
  using Classes = boost::container::small_vector<const OfferClass*, 4>;

  // `classes` are those whose devices the query admits.
  BlockAsk(const Demand& demand, Supply supply, const WordNumbers& regions, Classes classes);

  const Matcher& matcher() const { return matcher_; }
  const Sieve& sieve() const { return sieve_; }
  const Classes& classes() const { return classes_; }
  Supply supply() const { return supply_; }
  // Do former prices count?
  bool quoted() const { return matcher_.demand().quoted_at.us > 0 && !matcher_.spot(); }
  // No cheaper device meets the query's conditions on price.
  Micros device_hour_min() const { return device_hour_min_; }

  // No dearer device is within the limits on price.
  Micros device_hour_max() const { return device_hour_max_; }

  // The least that a device of an offer in the class costs for the demand's term, at this price.
  Micros paid_hour(Micros device_hour, const OfferClass& of) const {
    return discounted(device_hour, of.discount_max(matcher_.term()));
  }

  // No offer of the class from this key on ranks before this.
  Rank bound(const OfferKey& key, const OfferClass& of) const;
  // The offer, which passed the sieve, as a candidate: at its price now, or else at the one that
  // the demand's quote binds it to.
  std::optional<Candidate> fit(const BlockOffer& offer, const OfferClass& of, bool former) const;
  // Of one block, in which no offer's disk costs less, and perhaps all their devices the same: no
  // offer in it ranks before this at its price now.
  Rank bound(const OfferKey& key, Micros disk_gb_hour, const OfferClass& of,
             bool single_price) const;
  // Does the offer surely rank behind `best`? Judged without a look at the offer itself.
  bool is_behind(const Block& block, std::size_t lane, const OfferClass& of,
                 const Candidate& candidate, const Rank& best) const;
  // In the order of keys of the class, does the first that fits rank first?
  bool key_order(const OfferClass& of) const {
    return key_order_ && !matcher_.spot() && of.discount_max(matcher_.term()) == 0;
  }

 private:
  Matcher matcher_;
  Supply supply_;
  Sieve sieve_;
  Classes classes_;
  Micros device_hour_min_;
  Micros device_hour_max_;
  bool key_order_;
};

}  // namespace fallow::core
