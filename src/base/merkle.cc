#include "base/merkle.h"

#include <array>
#include <cstdint>
#include <utility>

#include "base/check.h"

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
  Subtree grown{1, merkle_leaf(leaf)};
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

Digest merkle_leaf(std::string_view bytes) {
  return Digester().update(std::span<const std::uint8_t>(kLeafPrefix)).update(bytes).finish();
}

// A lone last node goes up as it is: the shape is RFC 6962's.
MerkleLevels::MerkleLevels(std::vector<Digest> leaves) {
  FALLOW_CHECK(!leaves.empty(), "a tree of no leaves has no levels");
  levels_.push_back(std::move(leaves));
  while (levels_.back().size() > 1) {
    const std::vector<Digest>& below = levels_.back();
    std::vector<Digest> above;
    above.reserve((below.size() + 1) / 2);
    for (std::size_t i = 0; i + 1 < below.size(); i += 2) {
      above.push_back(inner(below[i], below[i + 1]));
    }
    if (below.size() % 2 == 1) above.push_back(below.back());
    levels_.push_back(std::move(above));
  }
}

std::vector<Digest> MerkleLevels::path(std::uint64_t leaf) const {
  FALLOW_CHECK(leaf < leaves(), "leaf {} of {}", leaf, leaves());
  std::vector<Digest> path;
  for (std::size_t level = 0; level + 1 < levels_.size(); ++level, leaf /= 2) {
    const std::uint64_t sibling = leaf ^ 1U;
    if (sibling < levels_[level].size()) path.push_back(levels_[level][sibling]);
  }
  return path;
}

std::optional<Digest> merkle_root_over(const Digest& hash, std::uint64_t leaf, std::uint64_t leaves,
                                       std::span<const Digest> path) {
  if (leaf >= leaves) return std::nullopt;
  Digest root = hash;
  for (std::uint64_t width = leaves; width > 1; width = (width + 1) / 2, leaf /= 2) {
    if ((leaf ^ 1U) >= width) continue;
    if (path.empty()) return std::nullopt;
    root = leaf % 2 == 0 ? inner(root, path.front()) : inner(path.front(), root);
    path = path.subspan(1);
  }
  if (!path.empty()) return std::nullopt;
  return root;
}

}  // namespace fallow
