// The book that make_book() gives out: the offers of each class of device in price order, in
// blocks of 64 under zone maps, so that a million of them are searched by a few vector compares.
//
// docs/architecture.md draws it. Offers stand in slots (block_offer.h), in the blocks of one tree a
// class (block_tree.h, zone.h); a demand is sifted zone by zone and block by block (sieve.h) in
// the order of what may rank first (block_walk.h). A lease's beginning or end changes a few bytes,
// a new price moves one offer.
//
// Gangs are matched in the same order, offer by offer, until a group of offers is complete
// (block_gangs.cc).
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
#include "core/block_lans.h"
#include "core/block_offer.h"
#include "core/block_search.h"
#include "core/block_words.h"
#include "core/book.h"
#include "core/book_digest.h"

namespace fallow::core {

class BlockBook final : public Book {
 public:
  explicit BlockBook(const Scoring& scoring = Scoring::plain()) : Book(scoring) {}
  void speeds_changed() override;
  void update(const Node& node) override;
  void update_load(const Node& node) override;
  void remove(NodeId node) override;
  std::optional<Placement> match(const Demand& demand) const override;
  std::vector<Placement> match_gang(const Demand& demand) const override;
  using Book::list;
  std::vector<Placement> list(const Demand& demand, const ListOptions& options) const override;
  bool possible(const Demand& demand) const override;
  std::vector<v1::Relaxation> relaxations(const Demand& demand) const override;
  std::size_t size() const override { return slots_.size(); }
  Digest digest() const override;

  // What match() does, in its parts: for an order that is matched often.
  BlockAsk prepare(const Demand& demand, Supply supply = Supply::kFree) const;
  struct Hit {
    BlockPlace place;
    Candidate candidate;
  };
  // What the ask's demand avoids is found only when nothing else is.
  std::optional<Hit> find(const BlockAsk& ask) const;
  // The same, from where the search that was begun for it has come to; ends that.
  std::optional<Hit> find(const BlockAsk& ask, BlockSearch& search) const;
  Placement placement(const BlockAsk& ask, const Hit& hit) const;

  // Of a node that the book knows.
  Slot slot_of(NodeId node) const { return slots_.at(node); }
  static Slot slot_of(const Hit& hit) { return hit.place.block().offers[hit.place.lane()].slot; }
  // Where an offer stands; empty when it is not offered. Good until one comes, goes or is repriced.
  BlockPlace place_of(Slot slot) const { return offers_.place(slot); }
  OfferLoad load_of(BlockPlace place) const;
  // A search is to come: asks the memory for what it reads first; some time later the second begins
  // it, and it goes on by search.step(). Before both comes ask.prefetch().
  void prefetch(const BlockAsk& ask) const;
  void begin(const BlockAsk& ask, BlockSearch& search) const;
  // A change of the offer's load is to come: asks the memory for what it will read. Where several
  // are known in advance, first for the places of all.
  void prefetch_place(Slot slot) const { prefetch_line(&offers_.place(slot)); }
  void prefetch_load(Slot slot) const;
  // What update_load() does of a lease's beginning and its end where nothing else of the node
  // changes: these devices, a bit each, were free and are not any more, or the other way round. Of
  // a plain offer that is open, all of whose devices are free as a whole or not at all.
  void take(BlockPlace place, std::uint64_t devices);
  void give(BlockPlace place, std::uint64_t devices);

  // Bytes held, as far as they are counted: slots, blocks, zones and the table of ids.
  std::size_t bytes() const;
  // A bug when what is packed is not what was told. Looks at everything.
  void check() const;

 private:
  struct Best;

  // What update_load() does once it has read the node.
  void set_load(BlockPlace place, const OfferLoad& load);
  void set_whole(BlockPlace place, std::uint64_t whole_mask);
  // Everything but the region.
  static OfferFacts describe(const Node& node);
  bool same_classes(Slot slot, const Node& node) const;
  // What else is known of an offer that has more than facts.
  static void describe_more(OfferMore& more, const Node& node);
  // Counts the discounts of an offer that stands in its classes, instead of those before.
  void count_discounts(Slot slot, const Discounts& before, const Discounts& after);
  OfferClass& class_of(const v1::Device& device);
  void enter(Slot slot, const Node& node, OfferFacts& facts);
  void leave(Slot slot);
  // Takes the offer's new facts over to wherever it stands.
  void refresh(Slot slot, const OfferFacts& facts, bool settle, ColumnMask changed);
  void refresh(BlockPlace& place, Slot slot, const OfferFacts& facts, bool settle,
               ColumnMask changed);
  void drop_if_empty(OfferClass& of);
  std::uint16_t region_of(std::uint16_t known, std::string_view region);
  const OfferClass& first_class(Slot slot) const;

  // Where the order of keys is that of ranks, and nothing is to be avoided.
  bool find_first(const BlockAsk& ask, const OfferClass& of, BlockSearch& search, Hit& hit) const;
  void find_in(const BlockAsk& ask, const OfferClass& of, Best& best, Best& fallback) const;
  void find_among(const BlockAsk& ask, Best& best, Best& fallback) const;
  BlockAsk::Classes classes_for(const Query& query) const;
  // The offers of a block that the ask's sieve lets through, about in the order of keys, until
  // `visit` says no.
  template <class Visit>
  void each_offer(const BlockAsk& ask, const Block& block, const OfferClass& of, bool former,
                  Visit&& visit) const;
  // The same of those that are left of what the sieve let through.
  template <class Visit>
  void each_sifted(const BlockAsk& ask, const Block& block, const Sifted& sifted,
                   const OfferClass& of, bool former, Visit&& visit) const;
  // Says whether it fits and is not to be avoided.
  struct Met;
  // The same of an offer that may be met more than once: only where it counts.
  std::optional<Candidate> fits_once(const BlockAsk& ask, const Met& met) const;
  class RankedFits;
  class GangSearch;
  bool consider(const BlockAsk& ask, const Met& met, Best& best, Best& fallback) const;
  // A node with several classes is met in each; the first of those that are asked for counts.
  bool counts_here(const BlockAsk& ask, Slot slot, const OfferClass& of) const;
  KnownNode known(Slot slot) const;
  // Of a gang: `cheapest` is its demand as cheapest_of() makes it.
  std::vector<v1::Relaxation> gang_relaxations(const Demand& cheapest) const;
  // Shows the scan the offers that may lack one thing only, the cheapest first.
  template <class Scan>
  void scan_offers(const BlockAsk& ask, Scan& scan) const;

  BlockMemory memory_;
  OfferStore& offers_ = memory_.offers;
  WordNumbers regions_;
  LanTable lans_{LanTable::Level::kLan};
  LanTable racks_{LanTable::Level::kRack};
  // Points only, never iterated.
  boost::unordered_flat_map<NodeId, Slot, NamedHash> slots_;
  absl::btree_map<ClassKey, std::unique_ptr<OfferClass>> classes_;
  absl::btree_map<std::string, std::vector<OfferClass*>, std::less<>> classes_by_model_;
};

}  // namespace fallow::core
