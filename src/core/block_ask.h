// A demand made ready for the block book: parsed, sifted by classes, and what of it decides when a
// walk may end. Made once for an order that is matched many times.
//
// Market thread only. Refers to its demand and the book's scoring, which must outlive it, and is
// good until a node is entered in the book, removed from it or changed otherwise than by
// update_load(), or the scoring changes.
#pragma once

#include <boost/container/small_vector.hpp>
#include <cstdint>
#include <optional>
#include <span>

#include "core/block_class.h"
#include "core/block_cursor.h"
#include "core/block_words.h"
#include "core/placement.h"
#include "core/sieve.h"

namespace fallow::core {

// Is the node one of these?
bool holds_node(std::span<const NodeId> nodes, NodeId node);

// The same for the least price, and nobody avoided.
Demand cheapest_of(const Demand& demand);

class BlockAsk {
 public:
  using Classes = boost::container::small_vector<const OfferClass*, 4>;

  // `classes` are those whose devices the query admits.
  BlockAsk(const Demand& demand, const Scoring& scoring, Supply supply, const OfferStore& offers,
           const WordNumbers& regions, Classes classes);

  const Matcher& matcher() const { return matcher_; }
  const Sieve& sieve() const { return sieve_; }
  const Classes& classes() const { return classes_; }
  Supply supply() const { return supply_; }
  // Do former prices count?
  bool quoted() const { return quoted_; }
  // Does more than price and speed rank offers?
  bool weighs() const { return weighs_; }
  // Are there nodes that are taken only when nothing else matches, or never?
  bool avoids() const { return avoids_; }
  // No cheaper device meets the query's conditions on price.
  Micros device_hour_min() const { return device_hour_min_; }

  // No dearer device is within the limits on price.
  Micros device_hour_max() const { return device_hour_max_; }

  // Does one class answer it, at the prices of now?
  bool single() const { return !quoted_ && !matcher_.spot() && classes_.size() == 1; }
  // Is the first offer of it that fits, in the order of keys, the answer?
  bool takes_first() const { return single() && !avoids_ && key_order(*classes_.front()); }

  // The least that a device of an offer in the class costs for the demand's term, at this price.
  Micros paid_hour(Micros device_hour, const OfferClass& of) const {
    return discounted(device_hour, of.discount_max(matcher_.term()));
  }
  // How fast its devices are at what is to run.
  std::int64_t speed(const OfferClass& of) const { return of.speed(matcher_.workload()); }
  // How likely the node of the offer on the lane is to last.
  std::uint32_t lasting_ppm(const Block& block, std::size_t lane) const {
    return matcher_.lasting_ppm(block.row(lasting_column(matcher_.span())).at[lane],
                                block.offers[lane].reliability());
  }
  // Does an offer of the class give a discount for the demand's term?
  bool discounts(const OfferClass& of) const { return of.discount_max(matcher_.term()) > 0; }

  // No offer of the class from this key on ranks before this.
  Rank bound(const OfferKey& key, const OfferClass& of) const;
  // The offer on the lane, which passed the sieve, as a candidate: at its price now, or else at the
  // one that the demand's quote binds it to. `surely`: the sieve was sure of it.
  std::optional<Candidate> fit(const Block& block, std::size_t lane, const OfferClass& of,
                               bool former, bool surely) const;
  // The block that the cursor is at: no offer in it ranks before this at its price now.
  Rank bound(const BlockCursor& cursor, const OfferClass& of) const;
  // Does the offer surely rank behind `best`? Judged without a look at the offer itself.
  bool is_behind(const Block& block, std::size_t lane, const OfferClass& of,
                 const Candidate& candidate, const Rank& best) const;
  // A search for it is to come: asks the memory for what that reads of the ask.
  void prefetch() const {
    for (std::size_t at = 0; at < kHotBytes; at += kLanes) {
      prefetch_line(reinterpret_cast<const char*>(this) + at);
    }
  }
  // In the order of keys of the class, does the first that fits rank first?
  bool key_order(const OfferClass& of) const { return key_order_ && !discounts(of); }

 private:
  static constexpr std::size_t kHotBytes = 384;

  // What ranks the offer on the lane beside its price and speed.
  void weigh(const Block& block, std::size_t lane, Candidate& candidate) const;
  bool is_near(const Block& block, std::size_t lane) const;

  BlockAsk(const Matcher& matcher, Supply supply, const OfferStore& offers,
           const WordNumbers& regions, Classes classes);

  // What a search reads comes first, side by side; the rest of the sieve only in doubt.
  Matcher matcher_;
  Micros device_hour_min_;
  Micros device_hour_max_;
  bool key_order_;
  bool quoted_;
  bool weighs_;
  bool avoids_;
  Supply supply_;
  Classes classes_;
  Sieve sieve_;
  const OfferStore& offers_;
  std::string near_word_;  // where locality counts
  std::uint16_t near_ = WordNumbers::kOther;
  bool near_by_word_ = false;
};

}  // namespace fallow::core
