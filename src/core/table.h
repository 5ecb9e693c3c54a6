// Things by id, where ids ascend with creation: point look-ups, visits in both orders, addresses
// that stay while the thing stays.
//
// Owner: MarketState, market thread only. A forgotten thing leaves a gap that is closed when gaps
// outnumber things, so erase() is amortised O(log n) and visits never meet a gap.
#pragma once

#include <algorithm>
#include <boost/unordered/unordered_flat_map.hpp>
#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/types.h"

namespace fallow::core {

template <class Id, class T>
class Table {
 public:
  // `id` is greater than every id before it (else a bug).
  T& insert(Id id, T value) {
    FALLOW_CHECK(id.value != 0 && (places_.empty() || places_.back().id < id),
                 "id {} does not ascend", id.value);
    places_.push_back({id, std::make_unique<T>(std::move(value))});
    T* const address = places_.back().thing.get();
    index_.emplace(id, address);
    return *address;
  }

  T* find(Id id) {
    const auto found = index_.find(id);
    return found == index_.end() ? nullptr : found->second;
  }
  const T* find(Id id) const {
    const auto found = index_.find(id);
    return found == index_.end() ? nullptr : found->second;
  }

  void erase(Id id) {
    if (index_.erase(id) == 0) return;
    lower_bound(id)->thing.reset();
    if (places_.size() > 2 * index_.size() + kGapsKept) {
      std::erase_if(places_, [](const Place& place) { return place.thing == nullptr; });
    }
  }

  std::size_t size() const { return index_.size(); }
  bool empty() const { return index_.empty(); }
  Id last_id() const { return places_.empty() ? Id() : places_.back().id; }

  // Ascending from the first id behind `after`, until `visit` says false.
  template <class Visit>
  void visit(Id after, Visit&& visit) const {
    for (auto at = upper_bound(after); at != places_.end(); ++at) {
      if (at->thing != nullptr && !visit(std::as_const(*at->thing))) return;
    }
  }
  // Descending from just below `before` (0: from the last), until `visit` says false.
  template <class Visit>
  void visit_down(Id before, Visit&& visit) const {
    auto at = before.value == 0 ? places_.end() : lower_bound(before);
    while (at != places_.begin()) {
      --at;
      if (at->thing != nullptr && !visit(std::as_const(*at->thing))) return;
    }
  }
  // All, ascending.
  template <class Visit>
  void each(Visit&& visit) {
    for (Place& place : places_) {
      if (place.thing != nullptr) visit(*place.thing);
    }
  }
  template <class Visit>
  void each(Visit&& visit) const {
    for (const Place& place : places_) {
      if (place.thing != nullptr) visit(std::as_const(*place.thing));
    }
  }

 private:
  static constexpr std::size_t kGapsKept = 64;
  struct Place {
    Id id;
    std::unique_ptr<T> thing;
  };
  static bool below(const Place& place, Id id) { return place.id < id; }
  static bool above(Id id, const Place& place) { return id < place.id; }

  auto lower_bound(Id id) { return std::lower_bound(places_.begin(), places_.end(), id, below); }
  auto lower_bound(Id id) const {
    return std::lower_bound(places_.begin(), places_.end(), id, below);
  }
  auto upper_bound(Id id) const {
    return std::upper_bound(places_.begin(), places_.end(), id, above);
  }

  std::vector<Place> places_;  // ascending by id, with gaps
  boost::unordered_flat_map<Id, T*, NamedHash> index_;
};

}  // namespace fallow::core
