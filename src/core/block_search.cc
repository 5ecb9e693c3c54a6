#include "core/block_search.h"

namespace fallow::core {

void BlockSearch::begin(const BlockAsk& ask, const BlockTree& tree) {
  ask_ = &ask;
  tree_ = &tree;
  changes_ = tree.changes();
  stage_ = Stage::kRoot;
  // It asks for what comes first in a zone when it enters it.
  cursor_.emplace(tree.root(), ask.sieve(), ask.device_hour_min());
}

void BlockSearch::step() {
  // What has changed meanwhile is begun anew by the search itself.
  if (ask_ == nullptr || changes_ != tree_->changes()) return;
  if (stage_ == Stage::kRoot) {
    next();
  } else if (stage_ == Stage::kBlock && block_ != nullptr && sifted().may != 0) {
    const std::size_t lane = block_->first_in_order(sifted_.may);
    prefetch_line(&block_->offers[lane]);
    block_->prefetch_taken(lane);
  }
}

const Block* BlockSearch::block() {
  if (stage_ == Stage::kRoot) next();
  return block_;
}

const Sifted& BlockSearch::sifted() {
  if (stage_ == Stage::kBlock) sifted_ = ask_->sieve().sift(*block_);
  stage_ = Stage::kOffers;
  return sifted_;
}

void BlockSearch::next() {
  block_ = cursor_->next();
  stage_ = Stage::kBlock;
}

}  // namespace fallow::core
