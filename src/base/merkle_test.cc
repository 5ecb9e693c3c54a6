#include "base/merkle.h"

#include <gtest/gtest.h>

#include <set>
#include <span>
#include <string>

namespace fallow {
namespace {

using namespace std::string_literals;

// The definition of RFC 6962 section 2.1, word for word: split at the largest power of two.
Digest defined_root(std::span<const std::string> leaves) {
  if (leaves.empty()) return digest_of(std::string_view());
  if (leaves.size() == 1) return digest_of("\x00"s + leaves[0]);
  std::size_t split = 1;
  while (split * 2 < leaves.size()) split *= 2;
  return digest_of("\x01"s + to_bytes(defined_root(leaves.first(split))) +
                   to_bytes(defined_root(leaves.subspan(split))));
}

TEST(Merkle, EqualsTheDefinitionForEveryCount) {
  std::vector<std::string> leaves;
  std::set<Digest> roots;
  MerkleTree tree;
  for (int count = 0; count <= 130; ++count) {
    EXPECT_EQ(tree.root(), defined_root(leaves)) << count << " leaves";
    EXPECT_TRUE(roots.insert(tree.root()).second) << "two lists share a root at " << count;
    leaves.push_back("leaf " + std::to_string(count));
    tree.append(leaves.back());
  }
}

TEST(Merkle, AnInnerNodeIsNotALeaf) {
  MerkleTree two;
  two.append("a");
  two.append("b");
  MerkleTree forged;
  forged.append(to_bytes(digest_of("\x00"s + "a")) + to_bytes(digest_of("\x00"s + "b")));
  EXPECT_NE(two.root(), forged.root());
}

TEST(Merkle, EveryLeafIsProvenAtItsOwnPlaceOnly) {
  MerkleTree tree;
  std::vector<Digest> leaves;
  for (std::uint64_t count = 1; count <= 67; ++count) {
    tree.append("leaf " + std::to_string(count));
    leaves.push_back(merkle_leaf("leaf " + std::to_string(count)));
    const MerkleLevels levels(leaves);
    ASSERT_EQ(levels.root(), tree.root()) << count << " leaves";
    for (std::uint64_t i = 0; i < count; ++i) {
      const std::vector<Digest> path = levels.path(i);
      EXPECT_EQ(merkle_root_over(leaves[i], i, count, path), tree.root());
      EXPECT_NE(merkle_root_over(leaves[i], (i + 1) % count, count, path).value_or(Digest{}),
                count == 1 ? Digest{} : tree.root());
      EXPECT_FALSE(merkle_root_over(leaves[i], i, 2 * count + 1, path).has_value());
      EXPECT_FALSE(merkle_root_over(leaves[i], count, count, path).has_value());
    }
  }
}

}  // namespace
}  // namespace fallow
