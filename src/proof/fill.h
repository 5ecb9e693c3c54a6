// The memory fill of the proof: noise that can be checked in spots, but not made anew in spots.
//
// Memory is a row of chunks, a chunk a row of cells of 64 bytes, 64 cells a leaf. A cell of the
// first chunk follows from the key; every other from the cell of the same place in the chunk before
// and from two more cells, anywhere before its chunk, which the former's content names. So chunks
// come one after the other, every cell of a chunk at once, each with two random reads; and whoever
// keeps only a part of the cells makes the rest anew at a price that grows with every chunk
// (docs/gpu-proof.md). The device commits to all leaves by a Merkle root.
//
// Pure functions; any thread. device.cl has the same arithmetic.
#pragma once

#include <array>
#include <cstdint>

#include "proof/keyed_stream.h"

namespace fallow::proof {

constexpr std::uint32_t kCellWords = 8;
constexpr std::uint32_t kLeafCells = 64;
constexpr std::uint32_t kLeafBytes = kLeafCells * kCellWords * 8;

using Cell = std::array<std::uint64_t, kCellWords>;

struct FillShape {
  std::uint32_t chunks = 0;        // at least 2
  std::uint32_t chunk_leaves = 0;  // at least 1

  std::uint64_t chunk_cells() const { return std::uint64_t{chunk_leaves} * kLeafCells; }
  std::uint64_t leaves() const { return std::uint64_t{chunks} * chunk_leaves; }
  std::uint64_t bytes() const { return leaves() * kLeafBytes; }
};
// Bounds of what a prover takes: 1 TiB, more than any device has. How much it really has, the
// device finds out when it asks its driver.
constexpr std::uint32_t kChunksMax = 4'096;
constexpr std::uint64_t kFillLeavesMax = std::uint64_t{256} << 20U;

inline Cell first_cell(const StreamKey& key, std::uint64_t cell) {
  Cell made;
  for (std::uint32_t i = 0; i < kCellWords; ++i) made[i] = stream_word(key, cell * kCellWords + i);
  return made;
}

// Which cells of the chunks before `chunk` are read besides `before`: `which` is below kOthers, the
// answer a number over all cells.
constexpr std::uint32_t kOthers = 2;
inline std::uint64_t other_cell(const StreamKey& key, const FillShape& shape, std::uint32_t chunk,
                                const Cell& before, std::uint32_t which) {
  return scaled(mixed(before[which] ^ key.b), chunk * shape.chunk_cells());
}

// `cell`: over all cells, not of the first chunk.
inline Cell next_cell(const StreamKey& key, std::uint64_t cell, const Cell& before,
                      const Cell& other, const Cell& another) {
  Cell made;
  for (std::uint32_t i = 0; i < kCellWords; ++i) {
    made[i] = mixed((before[i] + (other[i] << 23U | other[i] >> 41U)) * kGolden +
                    (another[i] << 41U | another[i] >> 23U) + key.a + cell * kCellWords + i);
  }
  return made;
}

}  // namespace fallow::proof
