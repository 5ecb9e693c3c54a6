// The book that make_book() gives out: the offers of each class of device in price order, in
// blocks of 64 under zone maps, so that a million of them are searched by a few vector compares.
//
// docs/architecture.md draws it. Offers stand in slots (block_offer.h), in the blocks of one tree a
// class (block_tree.h, zone.h); a demand is sifted zone by zone and block by block (sieve.h) in
// the order of what may rank first (block_walk.h). A lease's beginning or end changes a few bytes,
// a new price moves one offer.
//
// Owner: Machine, market thread only.
#pragma once

#include <absl/container/btree_map.h>

#include <boost/unordered/unordered_flat_map.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/types.h"
#include "core/block_ask.h"
#include "core/block_class.h"
#include "core/block_offer.h"
#include "core/block_words.h"
#include "core/book.h"
#include "core/book_digest.h"

namespace fallow::core {

class BlockBook final : public Book {
 public:
  void update(const Node& node) override;
  void update_load(const Node& node) override;
  void remove(NodeId node) override;
  std::optional<Placement> match(const Demand& demand) const override;
  std::vector<Placement> list(const Demand& demand, const ListOptions& options) const override;
  bool possible(const Demand& demand) const override;
  std::vector<v1::Relaxation> relaxations(const Demand& demand) const override;
  std::size_t size() const override { return slots_.size(); }
  Digest digest() const override;

  // What match() does, in its parts: for an order that is matched often.
  BlockAsk prepare(const Demand& demand, Supply supply = Supply::kFree) const;
  struct Hit {
    Slot slot = 0;
    const BlockOffer* offer = nullptr;
    Candidate candidate;
    Rank rank;
  };
  // What the ask's demand avoids is found only when nothing else is.
  std::optional<Hit> find(const BlockAsk& ask) const;
  Placement placement(const BlockAsk& ask, const Hit& hit) const;

  const BlockOffer& offer(Slot slot) const { return offers_[slot]; }
  // Of a node that the book knows.
  Slot slot_of(NodeId node) const { return slots_.at(node); }
  // What update_load() does once it has read the node.
  void set_load(Slot slot, const OfferLoad& load);

  // Bytes held, as far as they are counted: slots, blocks, zones and the table of ids.
  std::size_t bytes() const;
  // A bug when what is packed is not what was told. Looks at everything.
  void check() const;

 private:
  struct Best;

  void describe(BlockOffer& offer, const Node& node);
  bool same_classes(const BlockOffer& offer, const Node& node) const;
  void set_plain(BlockOffer& offer, const Node& node) const;
  // Counts the discounts of an offer that stands in its classes, instead of those before.
  static void set_discounts(BlockOffer& offer, const Discounts& discounts);
  OfferClass& class_of(const v1::Device& device);
  void enter(Slot slot, const Node& node);
  void leave(Slot slot);
  // Takes the offer's new values over to wherever it stands.
  void refresh(Slot slot, bool moved, ColumnMask changed);
  void refresh(BlockPlace& place, Slot slot, bool moved, const Codes& codes, ColumnMask changed);
  void drop_if_empty(OfferClass& of);
  void set_region(BlockOffer& offer, std::string_view region);

  void find_in(const BlockAsk& ask, const OfferClass& of, Best& best, Best& fallback) const;
  BlockAsk::Classes classes_for(const Query& query) const;
  // Says whether it fits and is not to be avoided.
  bool consider(const BlockAsk& ask, Slot slot, const OfferClass& of, bool former, Best& best,
                Best& fallback) const;
  // A node with several classes is met in each; the first of those that are asked for counts.
  static bool counts_here(const BlockAsk& ask, const BlockOffer& offer, const OfferClass& of);
  KnownNode known(const BlockOffer& offer) const;

  BlockMemory memory_;
  OfferStore& offers_ = memory_.offers;
  WordNumbers regions_;
  // Points only, never iterated.
  boost::unordered_flat_map<NodeId, Slot, NamedHash> slots_;
  absl::btree_map<ClassKey, std::unique_ptr<OfferClass>> classes_;
  absl::btree_map<std::string, std::vector<OfferClass*>, std::less<>> classes_by_model_;
};

}  // namespace fallow::core
