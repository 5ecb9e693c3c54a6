#include "core/block_book.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <utility>

#include "base/check.h"
#include "core/book_digest.h"
#include "core/speed.h"
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
         same_word(of.key().model, device.model());
}

BlockOffer::More& more_of(BlockOffer& offer) {
  if (offer.more == nullptr) offer.more = std::make_unique<BlockOffer::More>();
  return *offer.more;
}

}  // namespace

std::unique_ptr<Book> make_book() { return std::make_unique<BlockBook>(); }

std::vector<Placement> Book::list(const Demand& demand, bool free_only,
                                  std::size_t count_max) const {
  ListOptions options;
  options.free_only = free_only;
  options.count_max = count_max;
  return list(demand, options);
}

void BlockBook::update(const Node& node) {
  const auto [at, is_new] = slots_.try_emplace(node.id, Slot{0});
  if (is_new) at->second = offers_.take();
  const Slot slot = at->second;
  BlockOffer& offer = offers_[slot];
  const bool offered = is_offered(node);
  const bool former = offered && !node.offer.former.empty();
  const bool spot = offered && node.offer.spot;
  if (offer.offered &&
      (!offered || offer.former != former || offer.spot != spot || !same_classes(offer, node))) {
    leave(slot);
  }
  const OfferKey before = offer.key();
  describe(offer, node);
  if (!offered) return;
  bool moved = offer.key() != before;
  if (former) {
    Micros& least = more_of(offer).least_hour;
    moved = std::exchange(least, least_price(node.offer)) != least || moved;
  }
  if (spot) {
    Micros& floor = more_of(offer).spot_floor;
    moved = std::exchange(floor, spot_floor(node.offer)) != floor || moved;
  }
  if (offer.offered) {
    set_plain(offer, node);
    refresh(slot, moved, kAllColumns);
  } else {
    offer.former = former;
    offer.spot = spot;
    enter(slot, node);
  }
  set_discounts(offer, most_of(node.offer));
}

void BlockBook::update_load(const Node& node) {
  const auto at = slots_.find(node.id);
  if (at == slots_.end()) return update(node);
  BlockOffer& offer = offers_[at->second];
  if (offer.offered != is_offered(node)) return update(node);
  set_load(at->second, load_of(node));
}

void BlockBook::set_load(Slot slot, const OfferLoad& load) {
  BlockOffer& offer = offers_[slot];
  const OfferLoad& before = offer.load;
  ColumnMask changed = 0;
  const auto compare = [&](auto was, auto is, Column column) {
    if (was != is) changed |= column_bit(column);
  };
  compare(before.whole, load.whole, Column::kWhole);
  compare(before.room, load.room, Column::kRoom);
  compare(before.reliability, load.reliability, Column::kReliability);
  compare(before.cpu_thousandths_free, load.cpu_thousandths_free, Column::kCpuFree);
  compare(before.memory_mb_free, load.memory_mb_free, Column::kMemoryFree);
  compare(before.disk_mb_free, load.disk_mb_free, Column::kDiskFree);
  offer.load = load;
  if (!offer.offered || changed == 0) return;
  refresh(slot, (changed & column_bit(Column::kReliability)) != 0, changed);
}

void BlockBook::remove(NodeId node) {
  const auto at = slots_.find(node);
  if (at == slots_.end()) return;
  const Slot slot = at->second;
  if (offers_[slot].offered) leave(slot);
  regions_.release(offers_[slot].region);
  offers_.free(slot);
  slots_.erase(at);
}

void BlockBook::describe(BlockOffer& offer, const Node& node) {
  offer.node = &node;
  offer.id = node.id;
  offer.device_hour = node.offer.device_hour;
  offer.disk_gb_hour = node.offer.disk_gb_hour;
  offer.duration_max = node.offer.duration_max;
  offer.share_min = narrow(node.offer.share_thousandths_min);
  offer.cpu_thousandths = node.facts.cpu_thousandths();
  offer.memory_mb = node.facts.memory_mb();
  offer.disk_mb = node.facts.disk_mb();
  offer.download_mbps = node.facts.download_mbps();
  offer.upload_mbps = node.facts.upload_mbps();
  offer.isolation = static_cast<std::uint8_t>(node.facts.isolation());
  set_region(offer, node.facts.region());
  offer.devices = narrow(static_cast<std::uint32_t>(node.devices.size()));
  offer.load = load_of(node);
}

void BlockBook::set_region(BlockOffer& offer, std::string_view region) {
  if (offer.region != WordNumbers::kOther && same_word(regions_.word(offer.region), region)) return;
  regions_.release(offer.region);
  offer.region = regions_.acquire(canonical_word(region));
}

bool BlockBook::same_classes(const BlockOffer& offer, const Node& node) const {
  if (offer.several()) {
    return std::equal(
        offer.more->of_device.begin(), offer.more->of_device.end(), node.devices.begin(),
        node.devices.end(),
        [](const OfferClass* of, const NodeDevice& device) { return is_in(*of, device.facts); });
  }
  const OfferClass& of = offer.place.block->tree->owner();
  return std::all_of(node.devices.begin(), node.devices.end(),
                     [&](const NodeDevice& device) { return is_in(of, device.facts); });
}

void BlockBook::set_plain(BlockOffer& offer, const Node& node) const {
  offer.plain = !offer.several() && node.devices.size() <= kPlainDevicesMax &&
                offer.region != WordNumbers::kOther;
  for (std::size_t i = 0; i < node.devices.size() && offer.plain; ++i) {
    offer.plain = node.devices[i].facts.index() == i;
  }
}

void BlockBook::set_discounts(BlockOffer& offer, const Discounts& discounts) {
  const bool any = discounts != Discounts{};
  if (!any && !offer.discounts) return;
  Discounts& counted = more_of(offer).discounts;
  const auto recount = [&](const BlockPlace& place) {
    const BlockTree& tree = *place.block->tree;
    if (&tree != &tree.owner().now()) return;  // it stands in that one, too
    tree.owner().take(counted);
    tree.owner().add(discounts);
  };
  recount(offer.place);
  for (const BlockPlace& place : offer.more->places) recount(place);
  counted = discounts;
  offer.discounts = any;
}

OfferClass& BlockBook::class_of(const v1::Device& device) {
  ClassKey key{-speed_of(device), canonical_word(device.model()), device.memory_mb(),
               device.kind()};
  std::unique_ptr<OfferClass>& of = classes_[key];
  if (of == nullptr) {
    std::vector<OfferClass*>& model = classes_by_model_[key.model];
    of = std::make_unique<OfferClass>(std::move(key), device, memory_);
    model.push_back(of.get());
    std::sort(model.begin(), model.end(),
              [](const OfferClass* a, const OfferClass* b) { return a->key() < b->key(); });
  }
  return *of;
}

void BlockBook::enter(Slot slot, const Node& node) {
  BlockOffer& offer = offers_[slot];
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
  set_plain(offer, node);
  offer.place = once.front()->now().insert(slot);
  for (std::size_t i = 1; i < once.size(); ++i) {
    more_of(offer).places.push_back(once[i]->now().insert(slot));
  }
  if (offer.former) {
    for (OfferClass* of : once) more_of(offer).places.push_back(of->former().insert(slot));
  }
  if (offer.spot) {
    for (OfferClass* of : once) more_of(offer).places.push_back(of->spot().insert(slot));
  }
  offer.offered = true;
}

void BlockBook::leave(Slot slot) {
  BlockOffer& offer = offers_[slot];
  set_discounts(offer, {});
  std::vector<BlockPlace> places;
  if (offer.more != nullptr) places = std::move(offer.more->places);
  places.insert(places.begin(), offer.place);
  offer.more.reset();
  offer.place = {};
  offer.offered = false;
  offer.former = false;
  offer.spot = false;
  for (const BlockPlace& place : places) {
    BlockTree& tree = *place.block->tree;
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

void BlockBook::refresh(Slot slot, bool moved, ColumnMask changed) {
  BlockOffer& offer = offers_[slot];
  Codes codes;
  for (ColumnMask left = changed; left != 0; left &= left - 1) {
    const auto i = static_cast<std::size_t>(std::countr_zero(left));
    codes[i] = code_of(static_cast<Column>(i), offer);
  }
  refresh(offer.place, slot, moved, codes, changed);
  if (offer.more == nullptr) return;
  for (BlockPlace& place : offer.more->places) refresh(place, slot, moved, codes, changed);
}

void BlockBook::refresh(BlockPlace& place, Slot slot, bool moved, const Codes& codes,
                        ColumnMask changed) {
  BlockTree& tree = *place.block->tree;
  if (moved && !tree.settle(place)) {
    tree.erase(place);
    place = tree.insert(slot);
  } else {
    BlockTree::set(place, codes, changed);
    if (changed == kAllColumns && !moved) tree.set_prices(place);
  }
}

KnownNode BlockBook::known(const BlockOffer& offer) const {
  KnownNode known;
  known.id = offer.id;
  known.offered = offer.offered;
  known.provider = offer.node->provider;
  known.device_hour = offer.device_hour;
  known.disk_gb_hour = offer.disk_gb_hour;
  known.least_hour = offer.former ? offer.more->least_hour : offer.device_hour;
  if (offer.discounts) known.discounts = offer.more->discounts;
  known.spot = offer.spot;
  if (offer.spot) known.spot_floor = offer.more->spot_floor;
  known.duration_max = offer.duration_max;
  known.share_min = offer.share_min;
  known.isolation = offer.isolation;
  known.region = regions_.word(offer.region);
  known.reliability = offer.load.reliability;
  known.cpu_thousandths = offer.cpu_thousandths;
  known.memory_mb = offer.memory_mb;
  known.disk_mb = offer.disk_mb;
  known.download_mbps = offer.download_mbps;
  known.upload_mbps = offer.upload_mbps;
  known.cpu_thousandths_free = offer.load.cpu_thousandths_free;
  known.memory_mb_free = offer.load.memory_mb_free;
  known.disk_mb_free = offer.load.disk_mb_free;
  known.room = offer.load.room;
  known.whole = offer.load.whole;
  known.whole_mask = offer.load.whole_mask;
  for (std::size_t i = 0; offer.offered && i < offer.devices; ++i) {
    const OfferClass& of =
        offer.several() ? *offer.more->of_device[i] : offer.place.block->tree->owner();
    known.devices.emplace_back(of.key().model, of.key().memory_mb, of.key().kind);
  }
  return known;
}

Digest BlockBook::digest() const {
  std::vector<KnownNode> nodes;
  for (Slot slot = 0; slot < offers_.size(); ++slot) {
    if (offers_[slot].node != nullptr) nodes.push_back(known(offers_[slot]));
  }
  return digest_of(nodes);
}

std::size_t BlockBook::bytes() const {
  std::size_t bytes = offers_.size() * sizeof(BlockOffer) +
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
    const BlockOffer& offer = offers_[slot];
    if (offer.node == nullptr || !offer.offered) continue;
    const auto check_place = [&](const BlockPlace& place) {
      ++expected;
      FALLOW_CHECK(
          place.block->slots[place.lane] == slot && (place.block->used >> place.lane & 1U) != 0,
          "offer of node {} is not where it says", offer.id.value);
    };
    check_place(offer.place);
    if (offer.more == nullptr) continue;
    for (const BlockPlace& place : offer.more->places) check_place(place);
  }
  FALLOW_CHECK(places == expected, "{} places for {} offers' {}", places, size(), expected);
}

}  // namespace fallow::core
