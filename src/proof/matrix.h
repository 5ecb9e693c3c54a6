// The matrix product of the proof, and how it is checked without doing it again.
//
// Round k multiplies A_k by B in int8, exactly in int32: C[i][j] = sum over x of A_k[i][x]*B[j][x]
// (B stands by columns). B follows from the step's seed; A_k from the seed and the root of the
// round before, so rounds cannot be done side by side. The device commits to the rows of every C_k
// by a Merkle root; only then is the vector r known. Freivalds (1979): C[i]*r = A_k[i]*(B^T r), and
// y = B^T r is computed once for all rounds. A wrong row passes with a probability of 1/p.
//
// A RowCheck is a value of one thread; the rest are pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "proof/keyed_stream.h"

namespace fallow::proof {

// Sizes are multiples of 64 (the device's tile) up to this: sums fit int32 and the check's int64.
constexpr std::uint32_t kMatrixSizeMax = 16'384;
constexpr std::uint32_t kMatrixTile = 64;
constexpr std::uint32_t kRoundsMax = 64;

// Of the step's seed; `before` is the root of the round before, all zero for the first.
StreamKey left_key(const Digest& seed, std::uint32_t round, const Digest& before);
StreamKey right_key(const Digest& seed);

// Row `row` of a matrix of `size` that a key makes.
void fill_row(const StreamKey& key, std::uint32_t size, std::uint32_t row, std::int8_t* out);

class RowCheck {
 public:
  // `right`: B's key. `secret`: what r follows from, unknown to the device until it has committed.
  // Costs size^2 multiplications by int8.
  RowCheck(std::uint32_t size, const StreamKey& right, const StreamKey& secret);
  // `values`: size int32, little-endian, as the row of the product of `left`'s matrix and B.
  bool holds(const StreamKey& left, std::uint32_t row, std::string_view values) const;

 private:
  std::uint32_t size_;
  std::vector<std::uint64_t> r_;
  std::vector<std::uint64_t> y_;  // B^T r
};

}  // namespace fallow::proof
