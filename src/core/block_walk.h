// The blocks of several classes that pass an ask's sieve, those first whose offers may rank first.
//
// Market thread only; good until the book changes. Refers to the ask. Each class gives its blocks
// in the order of price; what comes next is decided by a heap of one bound a class, and a class is
// not looked into before its bound is the least.
#pragma once

#include <boost/container/small_vector.hpp>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "core/block_ask.h"
#include "core/block_cursor.h"

namespace fallow::core {

class BlockWalk {
 public:
  // Blocks with devices below `device_hour_from` only are left out.
  BlockWalk(const BlockAsk& ask, Micros device_hour_from);

  bool done() const { return heap_.empty(); }
  // Nothing that is still to come ranks before this. Not when done().
  const Rank& bound() const { return heap_.front().bound; }
  // A step forward; true when it came to a block.
  bool advance();

  // The block that advance() came to.
  const Block& block() const { return *block_; }
  // None of its offers ranks before this at its price now.
  const Rank& block_bound() const { return block_bound_; }
  const OfferClass& of_class() const { return *streams_[current_].of; }
  // Do its offers stand there by a price that not everybody pays: a former one, or spot's?
  bool former() const { return streams_[current_].former; }

 private:
  struct Stream {
    const OfferClass* of;
    const BlockTree* tree;
    bool former;
    const Block* ready;
    std::optional<BlockCursor> cursor;
  };
  struct Place {
    Rank bound;
    std::uint32_t stream;
  };
  static bool later(const Place& a, const Place& b) { return b.bound < a.bound; }
  void add(const OfferClass& of, const BlockTree& tree);
  // A place for the stream from this key on; none where nothing is within the price limits.
  std::optional<Place> place_at(std::uint32_t stream, const OfferKey& key) const;
  // The top's stream goes on from this key, or ends where there is none.
  void replace_top(const OfferKey* key);

  const BlockAsk& ask_;
  Micros from_;
  boost::container::small_vector<Stream, 2> streams_;  // at most two a class
  boost::container::small_vector<Place, 2> heap_;      // of streams, by bound
  std::uint32_t current_ = 0;
  const Block* block_ = nullptr;
  Rank block_bound_;
};

}  // namespace fallow::core
