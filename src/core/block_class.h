// Offers with devices that no query can tell apart: one model, one size of memory, one kind.
//
// Owner: the book, market thread only. A node with several classes of devices stands in each.
#pragma once

#include <compare>
#include <cstdint>
#include <string>

#include "core/block_tree.h"
#include "fallow/v1/types.pb.h"

namespace fallow::core {

struct ClassKey {
  std::int64_t slowness = 0;  // speed turned round: the fastest come first
  std::string model;          // canonical
  std::uint32_t memory_mb = 0;
  v1::DeviceKind kind = v1::DEVICE_KIND_UNSPECIFIED;
  auto operator<=>(const ClassKey&) const = default;
};

class OfferClass {
 public:
  OfferClass(ClassKey key, const v1::Device& device, BlockMemory& memory)
      : key_(std::move(key)),
        device_(device),
        now_(memory, *this, BlockTree::Order::kPrice),
        former_(memory, *this, BlockTree::Order::kFormerPrice) {}

  const ClassKey& key() const { return key_; }
  std::int64_t speed() const { return -key_.slowness; }
  const v1::Device& device() const { return device_; }  // one of them
  // All offers, and once more those that were raised lately, by the least they may bind at.
  BlockTree& now() { return now_; }
  const BlockTree& now() const { return now_; }
  BlockTree& former() { return former_; }
  const BlockTree& former() const { return former_; }

 private:
  ClassKey key_;
  v1::Device device_;
  BlockTree now_;
  BlockTree former_;
};

}  // namespace fallow::core
