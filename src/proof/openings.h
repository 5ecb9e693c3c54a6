// Which rows and leaves are opened: the same for who opens and who checks.
//
// Pure functions; any thread.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/digest.h"
#include "proof/fill.h"
#include "proof/keyed_stream.h"

namespace fallow::proof {

constexpr std::uint32_t kOpeningsMax = 256;

// Rows of one round; some may come twice.
std::vector<std::uint32_t> opened_rows(const Digest& seed, std::uint32_t round, std::uint32_t size,
                                       std::uint32_t count);

// A spot in memory: a cell of a leaf that is not in the first chunk.
struct Spot {
  std::uint64_t leaf = 0;
  std::uint32_t cell = 0;  // in the leaf
};
// Leaves that are read for a spot: its own, that above, and those of the other cells.
constexpr std::uint32_t kSpotLeaves = 2 + kOthers;
// The chain of spots: each follows from the seed and the link of the spot before.
Spot spot_at(const Digest& seed, std::uint32_t place, const Digest& before, const FillShape& shape);

// The link of a spot: it needs the contents of all its leaves, in the order of their reading, and
// the seed. A prover's tree holds their hashes, but no link can be made of those, nor before the
// seed is known.
Digest link_of(const Digest& seed, const Digest& before, std::span<const std::string> contents);

// Of a spot's cell, numbered over all cells.
std::uint64_t cell_number(const Spot& spot);
Cell cell_of(std::string_view leaf, std::uint32_t cell);

}  // namespace fallow::proof
