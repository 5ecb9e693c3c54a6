// Which rows and leaves are opened: the same for who opens and who checks.
//
// Pure functions; any thread.
#pragma once

#include <cstdint>
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
// The chain of spots: each follows from the seed and the leaf hash of the spot before, so that it
// cannot be asked for before that one was read.
Spot spot_at(const Digest& seed, std::uint32_t place, const Digest& before, const FillShape& shape);

// Of a spot's cell, numbered over all cells.
std::uint64_t cell_number(const Spot& spot);
Cell cell_of(std::string_view leaf, std::uint32_t cell);

}  // namespace fallow::proof
