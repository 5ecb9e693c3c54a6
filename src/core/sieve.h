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
  Sieve(const Matcher& matcher, Supply supply, const OfferStore& offers,
        const WordNumbers& regions);

  // The strictest gate that what fits comes through.
  std::size_t gate() const { return gate_; }
  // Children of the zone that may hold an offer that fits.
  LaneMask sift(const Zone& zone) const;
  // Of one of them: may it hold an offer in a region that fits?
  bool may_have_region(const Zone& zone, std::size_t child) const {
    return (zone.regions[gate_][child] & regions_) != 0 || regions_ == ~RegionMask{0};
  }
  // Lanes of the block whose offers may fit, and those of them whose nodes surely do, the price
  // apart.
  Sifted sift(const Block& block) const {
    // Without limits any time is short enough: a line of the cache less.
    const std::size_t passed = asks_duration_ && block.limited == 0 ? 1 : 0;
    const LaneTests tests{bound_tests_.data(), bound_tests_.size() - passed, set_tests_.data(),
                          set_tests_.size()};
    Sifted sifted = lane_search.sift_lanes(block.rows.data(), tests, block.used);
    sifted.sure &= doubts_ ? 0 : block.plain;
    return sifted;
  }
  // Of lanes that may fit those that still may, by the exact numbers that stand in rows.
  LaneMask narrow(const Block& block, LaneMask lanes) const;
  // Asks the memory for what sift() will read.
  void prefetch(const Block& block) const;
  void prefetch(const Zone& zone) const;

  enum class Verdict : std::uint8_t { kNo, kYes, kAskNode };
  // Of an offer in a class that the query admits: does the node itself fit? The price limits and
  // former prices are left to the caller.
  Verdict judge(const Block& block, std::size_t lane) const;
  // Does the query accept the price of a device?
  bool accepts_price(Micros device_hour) const;

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
  Failures failures(const Block& block, std::size_t lane) const;

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
  struct RegionTest {
    std::uint8_t predicate;
    bool listed;
    CodeSet codes;  // those of the list
  };
  // The exact number of a column must lie within.
  struct RangeTest {
    Column column;
    std::uint32_t low;
    std::uint32_t high;
  };

  void add(const Predicate& predicate, std::size_t index, const WordNumbers& regions);
  void add_numbers(const Predicate& predicate, std::size_t index);
  void add_region(const Predicate& predicate, std::size_t index, const WordNumbers& regions);
  void add_requirements(const Matcher& matcher);
  void add_ids(const Predicate& predicate);
  void at_least(Column column, std::uint64_t value);
  void at_most(Column column, std::uint64_t value);
  void within(Column column, std::uint64_t low, std::uint64_t high);
  std::int64_t number_of(const Block& block, std::size_t lane, Field field) const;
  bool holds(const NumberTest& test, std::int64_t number) const;
  bool holds(const RegionTest& test, std::uint16_t region) const;

  // A predicate makes two tests at most, requirements eight: of each kind at most 72. Few orders
  // have more than stand in the sieve itself.

  // What a walk reads of every zone and block comes first.
  std::size_t gate_;
  RegionMask regions_ = ~RegionMask{0};
  bool never_ = false;
  bool prices_ = false;         // some predicate is on the price
  bool asks_node_ = false;      // what stands in the block never decides
  bool doubts_ = false;         // no code is sure: the numbers decide
  bool asks_duration_ = false;  // the last of the tests of bounds
  Supply supply_;
  std::uint8_t ranks_by_;  // the row that ranks what is left, or kColumns
  boost::container::small_vector<RowTest, 8> zone_tests_;    // by bound
  boost::container::small_vector<LaneTest, 8> bound_tests_;  // by column
  boost::container::small_vector<SetTest, 1> set_tests_;     // likewise; at most kPredicatesMax
  std::uint32_t gpus_;
  std::uint32_t share_;
  const OfferStore& offers_;
  const v1::Requirements& requirements_;
  const std::vector<Predicate>& predicates_;
  const WordNumbers& words_;
  boost::container::small_vector<RangeTest, 4> range_tests_;
  boost::container::small_vector<NumberTest, 4> number_tests_;  // at most kPredicatesMax
  boost::container::small_vector<RegionTest, 1> region_tests_;  // at most kPredicatesMax
};

}  // namespace fallow::core
