#include "proof/openings.h"

#include <cstring>
#include <string_view>

#include "base/check.h"

namespace fallow::proof {

std::vector<std::uint32_t> opened_rows(const Digest& seed, std::uint32_t round, std::uint32_t size,
                                       std::uint32_t count) {
  const StreamKey key = stream_key("rows", derived_seed("round", seed, round));
  std::vector<std::uint32_t> rows(count);
  for (std::uint32_t i = 0; i < count; ++i) {
    rows[i] = static_cast<std::uint32_t>(scaled(stream_word(key, i), size));
  }
  return rows;
}

Spot spot_at(const Digest& seed, std::uint32_t place, const Digest& before,
             const FillShape& shape) {
  const StreamKey key = stream_key(to_bytes(before), derived_seed("spot", seed, place));
  Spot spot;
  spot.leaf = shape.chunk_leaves + scaled(stream_word(key, 0), shape.leaves() - shape.chunk_leaves);
  spot.cell = static_cast<std::uint32_t>(scaled(stream_word(key, 1), kLeafCells));
  return spot;
}

// Every part has a length of its own that never changes, so none can pass for another.
Digest link_of(const Digest& seed, const Digest& before, std::span<const std::string> contents) {
  Digester digester;
  digester.update(std::span<const std::uint8_t>(seed));
  digester.update(std::span<const std::uint8_t>(before));
  for (const std::string& content : contents) digester.update(content);
  return digester.finish();
}

std::uint64_t cell_number(const Spot& spot) { return spot.leaf * kLeafCells + spot.cell; }

Cell cell_of(std::string_view leaf, std::uint32_t cell) {
  FALLOW_CHECK(leaf.size() == kLeafBytes && cell < kLeafCells, "cell {} of {} bytes", cell,
               leaf.size());
  Cell words;
  std::memcpy(words.data(), leaf.data() + std::size_t{cell} * sizeof words, sizeof words);
  return words;
}

}  // namespace fallow::proof
