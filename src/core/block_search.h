// A search that takes the first offer that fits, stage by stage. What it reads of root, zone, block
// and offer lies one behind the other in memory: who knows in advance what will be searched for has
// several searches on their way, each a stage further at a time, and each stage asks the memory for
// what the next one reads. Nothing is done twice: the search itself goes on from there.
//
// Market thread only. Good for as long as the ask; what it has found is kept only while nothing in
// the tree changes.
#pragma once

#include <cstdint>
#include <optional>

#include "core/block_ask.h"
#include "core/block_cursor.h"
#include "core/block_tree.h"

namespace fallow::core {

class BlockSearch {
 public:
  // From the start; reads the root of the tree.
  void begin(const BlockAsk& ask, const BlockTree& tree);
  // Is it on its way for this ask, by all that stands in the tree now?
  bool holds(const BlockAsk& ask) const { return ask_ == &ask && changes_ == tree_->changes(); }
  // A stage further: to the first block, then to the offer that is likely to be the answer. Nothing
  // beyond that, or when it was not begun.
  void step();
  void end() { ask_ = nullptr; }

  // What a search that was begun comes to: the first block that may hold an offer, ...
  const Block* block();  // null at the end
  // ... of which no offer comes before this, ...
  const OfferKey& key() const { return cursor_->key(); }
  // ... its offers that may fit, ...
  const Sifted& sifted();
  // ... and the next block.
  void next();

 private:
  enum class Stage : std::uint8_t { kRoot, kBlock, kOffers };

  const BlockAsk* ask_ = nullptr;  // null: it was not begun, or is at its end
  const BlockTree* tree_ = nullptr;
  std::uint64_t changes_ = 0;  // of the tree, when it began
  Stage stage_ = Stage::kRoot;
  const Block* block_ = nullptr;
  Sifted sifted_{0, 0};
  std::optional<BlockCursor> cursor_;
};

}  // namespace fallow::core
