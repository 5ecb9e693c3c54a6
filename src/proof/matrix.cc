#include "proof/matrix.h"

#include <array>
#include <bit>
#include <cstring>
#include <span>

#include "base/check.h"
#include "proof/field.h"

namespace fallow::proof {
namespace {

static_assert(std::endian::native == std::endian::little, "rows are little-endian");

// r is taken in halves of at most 31 bits, so that a sum of kMatrixSizeMax products with a byte
// stays below 2^53; bytes count as b + 128, which is taken off in the end.
constexpr std::uint64_t kHalf = std::uint64_t{1} << 31;
constexpr std::uint64_t kBias = 128;

struct Halves {
  std::uint64_t low;
  std::uint64_t high;
};

// sums[x] += r * (row[x] + 128), both halves. Plain loops over four rows at once: the compiler
// makes vectors of them.
void add_rows(std::uint32_t size, std::span<const Halves, 4> r, const std::uint8_t* rows,
              std::uint64_t* low, std::uint64_t* high) {
  const std::uint8_t* const row0 = rows;
  const std::uint8_t* const row1 = rows + size;
  const std::uint8_t* const row2 = rows + 2 * std::size_t{size};
  const std::uint8_t* const row3 = rows + 3 * std::size_t{size};
  for (std::uint32_t x = 0; x < size; ++x) {
    low[x] += r[0].low * row0[x] + r[1].low * row1[x] + r[2].low * row2[x] + r[3].low * row3[x];
    high[x] +=
        r[0].high * row0[x] + r[1].high * row1[x] + r[2].high * row2[x] + r[3].high * row3[x];
  }
}

}  // namespace

StreamKey left_key(const Digest& seed, std::uint32_t round, const Digest& before) {
  return stream_key("left", derived_seed(to_bytes(before), seed, round));
}

StreamKey right_key(const Digest& seed) { return stream_key("right", seed); }

void fill_row(const StreamKey& key, std::uint32_t size, std::uint32_t row, std::int8_t* out) {
  const std::uint64_t first = std::uint64_t{row} * (size / 8);
  for (std::uint32_t x = 0; x < size; x += 8) {
    const std::uint64_t word = stream_word(key, first + x / 8);
    std::memcpy(out + x, &word, sizeof word);
  }
}

RowCheck::RowCheck(std::uint32_t size, const StreamKey& right, const StreamKey& secret)
    : size_(size), r_(size), y_(size) {
  FALLOW_CHECK(size > 0 && size <= kMatrixSizeMax && size % kMatrixTile == 0, "a matrix of {}",
               size);
  std::uint64_t r_sum = 0;
  for (std::uint32_t i = 0; i < size; ++i) {
    r_[i] = reduce(stream_word(secret, i));
    r_sum = add(r_sum, r_[i]);
  }
  std::vector<std::uint64_t> low(size);
  std::vector<std::uint64_t> high(size);
  std::vector<std::uint8_t> rows(4 * std::size_t{size});
  for (std::uint32_t j = 0; j < size; j += 4) {
    std::array<Halves, 4> r{};
    for (std::uint32_t i = 0; i < 4; ++i) {
      r[i] = {r_[j + i] % kHalf, r_[j + i] / kHalf};
      const std::uint64_t first = std::uint64_t{j + i} * (size / 8);
      for (std::uint32_t x = 0; x < size / 8; ++x) {
        // Turning a byte's sign bit adds 128 to it.
        const std::uint64_t word = stream_word(right, first + x) ^ 0x8080808080808080U;
        std::memcpy(&rows[i * std::size_t{size} + 8 * std::size_t{x}], &word, sizeof word);
      }
    }
    add_rows(size, r, rows.data(), low.data(), high.data());
  }
  const std::uint64_t bias = multiply(r_sum, kBias);
  for (std::uint32_t x = 0; x < size; ++x) {
    y_[x] = subtract(reduce(UnsignedWide{high[x]} * kHalf + low[x]), bias);
  }
}

bool RowCheck::holds(const StreamKey& left, std::uint32_t row, std::string_view values) const {
  if (row >= size_ || values.size() != size_ * sizeof(std::int32_t)) return false;
  std::vector<std::int8_t> a(size_);
  fill_row(left, size_, row, a.data());
  // Below 2^(61+31+14) each.
  Wide product = 0;
  Wide claimed = 0;
  for (std::uint32_t x = 0; x < size_; ++x) {
    std::int32_t value = 0;
    std::memcpy(&value, values.data() + x * sizeof value, sizeof value);
    claimed += Wide{value} * r_[x];
    product += Wide{a[x]} * y_[x];
  }
  const Wide difference = claimed - product;
  return reduce(static_cast<UnsignedWide>(difference < 0 ? -difference : difference)) == 0;
}

}  // namespace fallow::proof
