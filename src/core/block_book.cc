#include "core/block_book.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <utility>

#include "base/check.h"
#include "core/book_digest.h"
#include "core/spot.h"

namespace fallow::core {
namespace {

constexpr std::size_t kPlainDevicesMax = 64;  // as many as OfferLoad::whole_mask has bits

std::uint16_t narrow(std::uint32_t value) {
  return static_cast<std::uint16_t>(
      std::min<std::uint32_t>(value, std::numeric_limits<std::uint16_t>::max()));
}

Micros least_price(const Offer& offer) {
  Micros least = offer.device_hour;
  for (const FormerPrice& former : offer.former) least = std::min(least, former.device_hour);
  return least;
}

Discounts most_of(const Offer& offer) {
  Discounts most = offer.discounts;
  for (const FormerPrice& former : offer.former) most = largest(most, former.discounts);
  return most;
}

bool is_in(const OfferClass& of, const v1::Device& device) {
  return of.key().memory_mb == device.memory_mb() && of.key().kind == device.kind() &&
         of.key().verified == is_verified(device) && same_word(of.key().model, device.model());
}

OfferMore& more_of(OfferStore::Offer& offer) {
  if (offer.more == nullptr) offer.more = std::make_unique<OfferMore>();
  return *offer.more;
}

}  // namespace

std::unique_ptr<Book> make_book(const Scoring& scoring) {
  return std::make_unique<BlockBook>(scoring);
}

std::vector<Placement> Book::list(const Demand& demand, bool free_only,
                                  std::size_t count_max) const {
  ListOptions options;
  options.free_only = free_only;
  options.count_max = count_max;
  return list(demand, options);
}

void BlockBook::speeds_changed() {
  for (const auto& [key, of] : classes_) of->set_speeds(scoring().speeds.of(of->device()));
}

void BlockBook::update(const Node& node) {
  const auto [at, is_new] = slots_.try_emplace(node.id, Slot{0});
  if (is_new) at->second = offers_.take();
  const Slot slot = at->second;
  OfferStore::Offer& offer = offers_[slot];
  const bool offered = is_offered(node);
  const bool former = offered && !node.offer.former.empty();
  const bool spot = offered && node.offer.spot;
  const Discounts discounts = offered ? most_of(node.offer) : Discounts{};
  const bool discounted = discounts != Discounts{};
  const bool was_discounted = offer.discounts() != Discounts{};
  if (offers_.place(slot) && (!offered || offer.former() != former || offer.spot() != spot ||
                              was_discounted != discounted || !same_classes(slot, node))) {
    leave(slot);
  }
  offer.node = &node;
  lans_.put(slot, offered ? &node : nullptr);
  racks_.put(slot, offered ? &node : nullptr);
  if (!offered) return;
  OfferFacts facts = describe(node);
  if (const BlockPlace place = offers_.place(slot)) {
    facts.region = region_of(place.block().offers[place.lane()].region, node.facts.region());
    facts.plain = facts.plain && facts.region != WordNumbers::kOther && !offer.several();
    const Discounts before = offer.discounts();
    if (offer.more != nullptr) describe_more(*offer.more, node);
    count_discounts(slot, before, discounts);
    refresh(slot, facts, true, kAllColumns);
  } else {
    facts.region = region_of(WordNumbers::kOther, node.facts.region());
    if (former || spot || discounted) {
      more_of(offer).former = former;
      describe_more(*offer.more, node);
    }
    enter(slot, node, facts);
    count_discounts(slot, {}, discounts);
  }
}

void BlockBook::update_load(const Node& node) {
  const auto at = slots_.find(node.id);
  if (at == slots_.end()) return update(node);
  const BlockPlace place = offers_.place(at->second);
  if (bool{place} != is_offered(node)) return update(node);
  if (place) set_load(place, core::load_of(node));
}

void BlockBook::prefetch_load(Slot slot) const {
  const BlockPlace place = offers_.place(slot);
  if (place) place.block().prefetch_load(place.lane());
}

OfferLoad BlockBook::load_of(BlockPlace place) const {
  return BlockTree::load_at(place.block(), place.lane(), offers_);
}

void BlockBook::set_load(BlockPlace place, const OfferLoad& load) {
  const LaneOffer& offer = place.block().offers[place.lane()];
  ColumnMask changed = 0;
  const auto compare = [&](Column column, std::uint32_t is) {
    if (offer.numbers[load_number_of(column)] != is) changed |= column_bit(column);
  };
  compare(Column::kReliability, load.reliability);
  compare(Column::kCpuFree, load.cpu_thousandths_free);
  compare(Column::kMemoryFree, load.memory_mb_free);
  compare(Column::kDiskFree, load.disk_mb_free);
  if (changed == 0 && !offer.elsewhere) {
    BlockTree::set_free(place, load);
    return;
  }
  const bool moved = (changed & column_bit(Column::kReliability)) != 0;
  if (!offer.elsewhere) {
    OfferKey key = offer.key();
    key.unreliability = kUnreliable - load.reliability;
    if (!moved || BlockTree::settle(place, key)) {
      BlockTree::set_load(place, load, changed);
      return;
    }
  }
  const Slot slot = offer.slot;
  const BlockPlace first = offers_.place(slot);
  OfferFacts facts = BlockTree::facts_at(first.block(), first.lane(), offers_);
  facts.load = load;
  changed |= column_bit(Column::kWhole) | column_bit(Column::kRoom);
  refresh(slot, facts, moved, changed);
}

void BlockBook::take(BlockPlace place, std::uint64_t devices) {
  set_whole(place, place.block().offers[place.lane()].whole_mask & ~devices);
}

void BlockBook::give(BlockPlace place, std::uint64_t devices) {
  set_whole(place, place.block().offers[place.lane()].whole_mask | devices);
}

void BlockBook::set_whole(BlockPlace place, std::uint64_t whole_mask) {
  const Block& block = place.block();
  FALLOW_CHECK(((block.plain & ~block.uneven) >> place.lane() & 1U) != 0,
               "devices of an offer are told apart that its node alone knows");
  if (!block.offers[place.lane()].elsewhere) return BlockTree::set_whole(place, whole_mask);
  OfferLoad load = load_of(place);
  load.whole_mask = whole_mask;
  load.whole = static_cast<std::uint16_t>(std::popcount(whole_mask));
  load.room = load.whole > 0 ? kWholeDevice : 0;
  set_load(place, load);
}

void BlockBook::remove(NodeId node) {
  const auto at = slots_.find(node);
  if (at == slots_.end()) return;
  const Slot slot = at->second;
  if (offers_.place(slot)) leave(slot);
  lans_.put(slot, nullptr);
  racks_.put(slot, nullptr);
  offers_.free(slot);
  slots_.erase(at);
}

OfferFacts BlockBook::describe(const Node& node) {
  OfferFacts facts;
  facts.id = node.id;
  facts.provider = node.provider;
  facts.device_hour = node.offer.device_hour;
  facts.disk_gb_hour = node.offer.disk_gb_hour;
  facts.duration_max = node.offer.duration_max;
  facts.share_min = narrow(node.offer.share_thousandths_min);
  facts.cpu_thousandths = node.facts.cpu_thousandths();
  facts.memory_mb = node.facts.memory_mb();
  facts.disk_mb = node.facts.disk_mb();
  facts.download_mbps = node.facts.download_mbps();
  facts.upload_mbps = node.facts.upload_mbps();
  facts.isolation = static_cast<std::uint8_t>(node.facts.isolation());
  facts.images = node.facts.images();
  facts.devices = narrow(static_cast<std::uint32_t>(node.devices.size()));
  facts.load = core::load_of(node);
  facts.survival = node.survival;
  facts.plain = node.devices.size() <= kPlainDevicesMax;
  for (std::size_t i = 0; i < node.devices.size() && facts.plain; ++i) {
    facts.plain = node.devices[i].facts.index() == i;
  }
  return facts;
}

std::uint16_t BlockBook::region_of(std::uint16_t known, std::string_view region) {
  if (known != WordNumbers::kOther && same_word(regions_.word(known), region)) return known;
  regions_.release(known);
  return regions_.acquire(canonical_word(region));
}

const OfferClass& BlockBook::first_class(Slot slot) const {
  return offers_.place(slot).block().tree->owner();
}

bool BlockBook::same_classes(Slot slot, const Node& node) const {
  const OfferStore::Offer& offer = offers_[slot];
  if (offer.several()) {
    return std::equal(
        offer.more->of_device.begin(), offer.more->of_device.end(), node.devices.begin(),
        node.devices.end(),
        [](const OfferClass* of, const NodeDevice& device) { return is_in(*of, device.facts); });
  }
  const OfferClass& of = first_class(slot);
  return std::all_of(node.devices.begin(), node.devices.end(),
                     [&](const NodeDevice& device) { return is_in(of, device.facts); });
}

OfferClass& BlockBook::class_of(const v1::Device& device) {
  ClassKey key{canonical_word(device.model()), device.memory_mb(), device.kind(),
               is_verified(device)};
  std::unique_ptr<OfferClass>& of = classes_[key];
  if (of == nullptr) {
    std::vector<OfferClass*>& model = classes_by_model_[key.model];
    of = std::make_unique<OfferClass>(std::move(key), device, scoring().speeds.of(device), memory_);
    model.push_back(of.get());
    std::sort(model.begin(), model.end(),
              [](const OfferClass* a, const OfferClass* b) { return a->key() < b->key(); });
  }
  return *of;
}

void BlockBook::enter(Slot slot, const Node& node, OfferFacts& facts) {
  OfferStore::Offer& offer = offers_[slot];
  std::vector<OfferClass*> classes;
  OfferClass* last = nullptr;
  for (const NodeDevice& device : node.devices) {
    if (last == nullptr || !is_in(*last, device.facts)) last = &class_of(device.facts);
    classes.push_back(last);
  }
  std::vector<OfferClass*> once = classes;
  std::sort(once.begin(), once.end(),
            [](const OfferClass* a, const OfferClass* b) { return a->key() < b->key(); });
  once.erase(std::unique(once.begin(), once.end()), once.end());
  if (once.size() > 1) more_of(offer).of_device = std::move(classes);
  facts.plain = facts.plain && facts.region != WordNumbers::kOther && !offer.several();
  OfferMore* const more = offer.more.get();
  offers_.place(slot) = once.front()->now().insert(slot, facts, more);
  for (std::size_t i = 1; i < once.size(); ++i) {
    more->places.push_back(once[i]->now().insert(slot, facts, more));
  }
  if (offer.former()) {
    for (OfferClass* of : once) more->places.push_back(of->former().insert(slot, facts, more));
  }
  if (offer.spot()) {
    for (OfferClass* of : once) more->places.push_back(of->spot().insert(slot, facts, more));
  }
}

void BlockBook::describe_more(OfferMore& more, const Node& node) {
  more.least_hour = least_price(node.offer);
  more.spot = node.offer.spot;
  more.spot_floor = node.offer.spot ? spot_floor(node.offer) : Micros(0);
  more.discounts = most_of(node.offer);
}

void BlockBook::count_discounts(Slot slot, const Discounts& before, const Discounts& after) {
  if (before == after) return;
  const auto recount = [&](const BlockPlace& place) {
    BlockTree& tree = *place.block().tree;
    if (&tree != &tree.owner().now()) return;  // it stands in that one, too
    tree.owner().take(before);
    tree.owner().add(after);
  };
  recount(offers_.place(slot));
  for (const BlockPlace& place : offers_[slot].more->places) recount(place);
}

void BlockBook::leave(Slot slot) {
  OfferStore::Offer& offer = offers_[slot];
  count_discounts(slot, offer.discounts(), {});
  std::vector<BlockPlace> places;
  if (offer.more != nullptr) places = std::move(offer.more->places);
  const BlockPlace first = offers_.place(slot);
  regions_.release(first.block().offers[first.lane()].region);
  places.insert(places.begin(), first);
  offer.more.reset();
  offers_.place(slot) = {};
  for (const BlockPlace& place : places) {
    BlockTree& tree = *place.block().tree;
    tree.erase(place);
    drop_if_empty(tree.owner());
  }
}

void BlockBook::drop_if_empty(OfferClass& of) {
  if (!of.now().empty() || !of.former().empty() || !of.spot().empty()) return;
  const ClassKey gone = of.key();  // a class nobody offers any more keeps no trees
  const auto model = classes_by_model_.find(gone.model);
  std::erase(model->second, &of);
  if (model->second.empty()) classes_by_model_.erase(model);
  classes_.erase(gone);
}

void BlockBook::refresh(Slot slot, const OfferFacts& facts, bool settle, ColumnMask changed) {
  refresh(offers_.place(slot), slot, facts, settle, changed);
  OfferMore* const more = offers_[slot].more.get();
  if (more == nullptr) return;
  for (BlockPlace& place : more->places) refresh(place, slot, facts, settle, changed);
}

void BlockBook::refresh(BlockPlace& place, Slot slot, const OfferFacts& facts, bool settle,
                        ColumnMask changed) {
  BlockTree& tree = *place.block().tree;
  const OfferMore* const more = offers_[slot].more.get();
  if (!settle || tree.settle(place, facts, more)) {
    BlockTree::set(place, facts, changed);
    return;
  }
  tree.erase(place);
  place = tree.insert(slot, facts, more);
}

KnownNode BlockBook::known(Slot slot) const {
  const OfferStore::Offer& offer = offers_[slot];
  const BlockPlace place = offers_.place(slot);
  KnownNode known;
  known.id = offer.node->id;
  known.offered = bool{place};
  if (!known.offered) return known;
  const OfferFacts facts = BlockTree::facts_at(place.block(), place.lane(), offers_);
  known.id = facts.id;
  known.provider = facts.provider;
  known.device_hour = facts.device_hour;
  known.disk_gb_hour = facts.disk_gb_hour;
  known.least_hour = offer.former() ? offer.more->least_hour : facts.device_hour;
  known.discounts = offer.discounts();
  known.spot = offer.spot();
  if (known.spot) known.spot_floor = offer.more->spot_floor;
  known.duration_max = facts.duration_max;
  known.share_min = facts.share_min;
  known.isolation = facts.isolation;
  known.images = facts.images;
  known.region = regions_.word(facts.region);
  known.lan = lans_.name(slot);
  known.rack = racks_.name(slot);
  known.survival = facts.survival;
  known.reliability = facts.load.reliability;
  known.cpu_thousandths = facts.cpu_thousandths;
  known.memory_mb = facts.memory_mb;
  known.disk_mb = facts.disk_mb;
  known.download_mbps = facts.download_mbps;
  known.upload_mbps = facts.upload_mbps;
  known.cpu_thousandths_free = facts.load.cpu_thousandths_free;
  known.memory_mb_free = facts.load.memory_mb_free;
  known.disk_mb_free = facts.load.disk_mb_free;
  known.room = facts.load.room;
  known.whole = facts.load.whole;
  known.whole_mask = facts.load.whole_mask;
  for (std::size_t i = 0; i < facts.devices; ++i) {
    const OfferClass& of = offer.several() ? *offer.more->of_device[i] : first_class(slot);
    known.devices.emplace_back(of.key().model, of.key().memory_mb, of.key().kind,
                               of.key().verified);
  }
  return known;
}

Digest BlockBook::digest() const {
  std::vector<KnownNode> nodes;
  for (Slot slot = 0; slot < offers_.size(); ++slot) {
    if (offers_[slot].node != nullptr) nodes.push_back(known(slot));
  }
  return digest_of(nodes);
}

std::size_t BlockBook::bytes() const {
  std::size_t bytes = offers_.size() * OfferStore::kBytesEach +
                      slots_.bucket_count() * (sizeof(std::pair<NodeId, Slot>) + 1);
  for (const auto& [key, of] : classes_) {
    bytes += of->now().bytes() + of->former().bytes() + of->spot().bytes();
  }
  return bytes;
}

void BlockBook::check() const {
  std::size_t places = 0;
  std::size_t expected = 0;
  for (const auto& [key, of] : classes_) {
    of->now().check();
    of->former().check();
    of->spot().check();
    places += of->now().size() + of->former().size() + of->spot().size();
  }
  for (Slot slot = 0; slot < offers_.size(); ++slot) {
    const OfferStore::Offer& offer = offers_[slot];
    if (offer.node == nullptr || !offers_.place(slot)) continue;
    const auto check_place = [&](const BlockPlace& place) {
      ++expected;
      const Block& block = place.block();
      FALLOW_CHECK(
          block.offers[place.lane()].slot == slot && (block.used >> place.lane() & 1U) != 0,
          "offer of node {} is not where it says", offer.node->id.value);
    };
    check_place(offers_.place(slot));
    if (offer.more == nullptr) continue;
    for (const BlockPlace& place : offer.more->places) check_place(place);
  }
  FALLOW_CHECK(places == expected, "{} places for {} offers' {}", places, size(), expected);
}

}  // namespace fallow::core
