#include "core/block_lans.h"

#include <fmt/core.h>

#include "core/query.h"

namespace fallow::core {

void LanTable::resize(Lan& lan, std::size_t offers) {
  if (lan.offers > 0 && --sizes_[lan.offers] == 0) sizes_.erase(lan.offers);
  lan.offers = offers;
  if (offers > 0) ++sizes_[offers];
}

void LanTable::put(Slot slot, const Node* node) {
  const bool of_racks = level_ == Level::kRack;
  std::string name;
  if (node != nullptr) name = canonical_word(of_racks ? node->facts.rack() : node->facts.lan());
  const std::uint32_t before = of(slot);
  if (name.empty() && before == kNone) return;
  std::string key;
  if (!name.empty()) {
    key = fmt::format("{} {} {}", node->provider.value, canonical_word(node->facts.region()), name);
    if (of_racks) key += ' ' + canonical_word(node->facts.lan());
    if (before != kNone && lans_[before].key == key) return;
  }
  if (before != kNone) {
    Lan& lan = lans_[before];
    resize(lan, lan.offers - 1);
    if (lan.offers == 0) {
      numbers_.erase(lan.key);
      lan = {};
      free_.push_back(before);
    }
    of_slot_[slot] = kNone;
  }
  if (name.empty()) return;
  const auto [at, is_new] = numbers_.try_emplace(key, kNone);
  if (is_new && !free_.empty()) {
    at->second = free_.back();
    free_.pop_back();
  } else if (is_new) {
    at->second = static_cast<std::uint32_t>(lans_.size());
    lans_.emplace_back();
  }
  Lan& lan = lans_[at->second];
  if (is_new) {
    lan.key = std::move(key);
    lan.name = std::move(name);
  }
  resize(lan, lan.offers + 1);
  if (slot >= of_slot_.size()) of_slot_.resize(slot + 1, kNone);
  of_slot_[slot] = at->second;
}

const std::string& LanTable::name(Slot slot) const { return lans_[of(slot)].name; }

}  // namespace fallow::core
