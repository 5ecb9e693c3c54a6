#include "base/merkle.h"

#include <array>
#include <cstdint>

namespace fallow {
namespace {

constexpr std::array<std::uint8_t, 1> kLeafPrefix{0x00};
constexpr std::array<std::uint8_t, 1> kInnerPrefix{0x01};

Digest inner(const Digest& left, const Digest& right) {
  return Digester()
      .update(std::span<const std::uint8_t>(kInnerPrefix))
      .update(std::span<const std::uint8_t>(left))
      .update(std::span<const std::uint8_t>(right))
      .finish();
}

}  // namespace

void MerkleTree::append(std::string_view leaf) {
  Subtree grown{
      1, Digester().update(std::span<const std::uint8_t>(kLeafPrefix)).update(leaf).finish()};
  while (!subtrees_.empty() && subtrees_.back().leaves == grown.leaves) {
    grown = {grown.leaves * 2, inner(subtrees_.back().root, grown.root)};
    subtrees_.pop_back();
  }
  subtrees_.push_back(grown);
}

Digest MerkleTree::root() const {
  if (subtrees_.empty()) return digest_of(std::string_view());
  Digest root = subtrees_.back().root;
  for (std::size_t i = subtrees_.size() - 1; i-- > 0;) root = inner(subtrees_[i].root, root);
  return root;
}

}  // namespace fallow
