// Merkle root in the shape of RFC 6962 section 2.1, with BLAKE2b-256 for the hash.
//
// Leaves and inner nodes are hashed under different prefixes (0x00, 0x01), so that neither can be
// passed off as the other. Appending costs amortised O(1) and the state is O(log n).
#pragma once

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

}  // namespace fallow
