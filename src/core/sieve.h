// A demand prepared for the book: which blocks may hold something for it, which offers of a block
// may fit, and whether one does, judged from what the book has packed together.
//
// Zones and blocks are sifted by codes, which never turn away what fits; what is left is judged by
// the exact numbers. Only what the book has not packed is asked of the node, by the Matcher.
//
// Market thread only. A Sieve refers to its matcher's demand, which must outlive it, and is good
// until the book's dictionary changes.
#pragma once

#include <array>
#include <boost/container/small_vector.hpp>
#include <cstddef>
#include <cstdint>

#include "core/block_offer.h"
#include "core/block_words.h"
#include "core/placement.h"
#include "core/query.h"
#include "core/zone.h"

namespace fallow::core {

class Sieve {
 public:
  Sieve(const Matcher& matcher, Supply supply, const WordNumbers& regions);

  // Children of the zone that may hold an offer that fits.
  LaneMask sift(const Zone& zone) const;
  // Of one of them: may it hold an offer in a region that fits?
  bool may_have_region(const Zone& zone, std::size_t child) const {
    return (zone.regions[gate_][child] & regions_) != 0 || regions_ == ~RegionMask{0};
  }
  // Lanes of the block whose offers may fit.
  LaneMask sift(const Block& block) const;
  // Asks the memory for what sift() will read.
  void prefetch(const Block& block) const;

  enum class Verdict : std::uint8_t { kNo, kYes, kAskNode };
  // Of an offer in a class that the query admits: does the node itself fit? The price limits and
  // former prices are left to the caller.
  Verdict judge(const BlockOffer& offer) const;

  // Predicates on the node itself, the price apart, that fail: how many, and of the last its place
  // in the query and how far it would have to move. Stops at the second.
  struct Failures {
    std::size_t count = 0;
    std::size_t predicate = 0;
    std::int64_t distance = 0;

    void add(std::size_t failed, std::int64_t by) {
      ++count;
      predicate = failed;
      distance = by;
    }
  };
  Failures failures(const BlockOffer& offer) const;

 private:
  // A number must lie within, and where that does not say it all, the predicate decides.
  struct NumberTest {
    Field field;
    std::uint8_t predicate;
    bool whole;  // the range is all there is to it
    std::int64_t low;
    std::int64_t high;
  };
  // Must the region be one of a list, or none of it? Of the last code the words decide.
  struct CodeSet {
    std::array<std::uint64_t, 4> bits{};
    void add(Code code) { bits[code / 64U] |= std::uint64_t{1} << (code % 64U); }
    bool has(Code code) const { return (bits[code / 64U] >> (code % 64U) & 1U) != 0; }
  };
  // The code of an id must be one of these.
  struct IdTest {
    Column column;
    CodeSet codes;
  };
  struct RegionTest {
    std::uint8_t predicate;
    bool listed;
    CodeSet codes;  // those of the list

    bool may_hold(Code code) const { return code == kCodeMax || codes.has(code) == listed; }
  };

  void add(const Predicate& predicate, std::size_t index, const WordNumbers& regions);
  void add_numbers(const Predicate& predicate, std::size_t index);
  void add_region(const Predicate& predicate, std::size_t index, const WordNumbers& regions);
  void add_requirements(const Matcher& matcher);
  void at_least(Column column, std::uint64_t value);
  void at_most(Column column, std::uint64_t value);
  bool holds(const NumberTest& test, std::int64_t number) const;
  bool holds(const RegionTest& test, std::uint16_t region) const;

  // A predicate makes two tests at most, requirements eight: of each kind at most 72. Few orders
  // have more than stand in the sieve itself.

  const v1::Requirements& requirements_;
  const std::vector<Predicate>& predicates_;
  const WordNumbers& words_;
  Supply supply_;
  std::size_t gate_;
  std::uint32_t gpus_;
  std::uint32_t share_;
  bool never_ = false;
  RegionMask regions_ = ~RegionMask{0};
  boost::container::small_vector<RowTest, 12> zone_tests_;      // by bound
  boost::container::small_vector<RowTest, 8> low_tests_;        // by column
  boost::container::small_vector<RowTest, 4> high_tests_;       // by column: at most
  boost::container::small_vector<NumberTest, 6> number_tests_;  // at most kPredicatesMax
  boost::container::small_vector<IdTest, 1> id_tests_;          // at most kPredicatesMax
  boost::container::small_vector<RegionTest, 2> region_tests_;  // at most kPredicatesMax
};

}  // namespace fallow::core
