#include "core/block_walk.h"

#include <algorithm>

namespace fallow::core {

BlockWalk::BlockWalk(const BlockAsk& ask, Micros device_hour_from)
    : ask_(ask), from_(std::max(device_hour_from, ask.device_hour_min())) {
  for (const OfferClass* of : ask.classes()) {
    if (ask.matcher().spot()) {
      add(*of, of->spot());
      continue;
    }
    add(*of, of->now());
    if (ask.quoted()) add(*of, of->former());
  }
  std::make_heap(heap_.begin(), heap_.end(), later);
}

void BlockWalk::add(const OfferClass& of, const BlockTree& tree) {
  if (tree.empty()) return;
  const auto stream = static_cast<std::uint32_t>(streams_.size());
  streams_.push_back({&of, &tree, &tree != &of.now(), nullptr, std::nullopt});
  if (const auto place = place_at(stream, tree.root().keys[0])) heap_.push_back(*place);
}

std::optional<BlockWalk::Place> BlockWalk::place_at(std::uint32_t stream,
                                                    const OfferKey& key) const {
  const Matcher& matcher = ask_.matcher();
  const OfferClass& of = *streams_[stream].of;
  if (ask_.paid_hour(key.device_hour, of) > matcher.device_hour_max()) return std::nullopt;
  const Place place{ask_.bound(key, of), stream};
  if (place.bound.rate_hour > matcher.rate_hour_max()) return std::nullopt;
  return place;
}

void BlockWalk::replace_top(const OfferKey* key) {
  const auto stream = heap_.front().stream;
  std::pop_heap(heap_.begin(), heap_.end(), later);
  heap_.pop_back();
  if (key == nullptr) return;
  const auto place = place_at(stream, *key);
  if (!place) return;
  heap_.push_back(*place);
  std::push_heap(heap_.begin(), heap_.end(), later);
}

bool BlockWalk::advance() {
  current_ = heap_.front().stream;
  Stream& stream = streams_[current_];
  if (stream.ready != nullptr) {
    block_ = stream.ready;
    block_bound_ = ask_.bound(*stream.cursor, *stream.of);
    stream.ready = nullptr;
    replace_top(stream.cursor->rest());
    return true;
  }
  if (!stream.cursor) {
    // What an offer binds at may lie above the price that it stands by there.
    stream.cursor.emplace(stream.tree->root(), ask_.sieve(), stream.former ? Micros(0) : from_);
  }
  stream.ready = stream.cursor->next();
  if (stream.ready == nullptr) {
    replace_top(nullptr);
  } else {
    replace_top(&stream.cursor->key());
  }
  return false;
}

}  // namespace fallow::core
