// Merkle root in the shape of RFC 6962 section 2.1, with BLAKE2b-256 for the hash.
//
// Leaves and inner nodes are hashed under different prefixes (0x00, 0x01), so that neither can be
// passed off as the other. Appending costs amortised O(1) and the state is O(log n).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/digest.h"

namespace fallow {

// A value; one thread at a time.
class MerkleTree {
 public:
  // Adds a leaf with these bytes.
  void append(std::string_view leaf);
  // Root over the leaves so far; of none it is the hash of nothing, as RFC 6962 has it.
  Digest root() const;

 private:
  // Roots of the complete subtrees, largest first: one for each bit set in the number of leaves.
  struct Subtree {
    std::size_t leaves = 0;
    Digest root;
  };
  std::vector<Subtree> subtrees_;
};

// The hash of a leaf with these bytes.
Digest merkle_leaf(std::string_view bytes);

// The same tree with all its levels, made from leaves that are hashed already: it can prove where
// each of them stands. Two digests a leaf. A value; one thread at a time.
class MerkleLevels {
 public:
  // At least one.
  explicit MerkleLevels(std::vector<Digest> leaves);
  const Digest& root() const { return levels_.back().front(); }
  std::uint64_t leaves() const { return levels_.front().size(); }
  // The leaf's siblings from below; RFC 6962 section 2.1.1. `leaf` is one of them.
  std::vector<Digest> path(std::uint64_t leaf) const;

 private:
  std::vector<std::vector<Digest>> levels_;  // leaves first
};

// The root that a leaf with this hash and path comes to, as the one at place `leaf` of `leaves`;
// none where the path has not the right length.
std::optional<Digest> merkle_root_over(const Digest& hash, std::uint64_t leaf, std::uint64_t leaves,
                                       std::span<const Digest> path);

}  // namespace fallow
