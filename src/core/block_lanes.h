// Rows of 64 bytes that are compared all at once: a block of the book holds one value of each of
// its offers a row, and a zone one bound of each of its blocks.
//
// A byte is a code of a number: codes keep the order of what they stand for, so a comparison of
// codes never turns away a number that passes, and whoever needs to know asks the number itself.
// Values; any thread. SSE2 is what every x86-64 has; elsewhere the same is done eight at a time.
// What a search spends its time in, sift_rows(), takes wider vectors where the processor has them.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace fallow::core {

constexpr std::size_t kLanes = 64;
using LaneMask = std::uint64_t;  // a bit a lane
using Code = std::uint8_t;
constexpr Code kCodeMax = 255;

struct alignas(kLanes) LaneRow {
  std::array<Code, kLanes> at{};
};

constexpr LaneMask lane_bit(std::size_t lane) { return LaneMask{1} << lane; }
// The first lane of a mask that has one.
inline std::size_t first_lane(LaneMask mask) {
  return static_cast<std::size_t>(std::countr_zero(mask));
}

#if defined(__SSE2__)

namespace lanes {
constexpr std::size_t kStep = 16;
inline __m128i load(const LaneRow& row, std::size_t from) {
  return _mm_load_si128(reinterpret_cast<const __m128i*>(row.at.data() + from));
}
inline __m128i all(Code code) { return _mm_set1_epi8(static_cast<char>(code)); }
template <class Test>
LaneMask mask_of(Test&& test) {
  const auto bits = [&](std::size_t from) {
    return LaneMask{static_cast<std::uint32_t>(_mm_movemask_epi8(test(from)))};
  };
  return bits(0) | bits(16) << 16U | bits(32) << 32U | bits(48) << 48U;
}
inline Code greatest(__m128i codes) {
  codes = _mm_max_epu8(codes, _mm_srli_si128(codes, 8));
  codes = _mm_max_epu8(codes, _mm_srli_si128(codes, 4));
  codes = _mm_max_epu8(codes, _mm_srli_si128(codes, 2));
  codes = _mm_max_epu8(codes, _mm_srli_si128(codes, 1));
  return static_cast<Code>(_mm_cvtsi128_si32(codes) & 0xFF);
}
}  // namespace lanes

inline LaneMask lanes_at_least(const LaneRow& row, Code least) {
  const __m128i bound = lanes::all(least);
  return lanes::mask_of([&](std::size_t from) {
    const __m128i codes = lanes::load(row, from);
    return _mm_cmpeq_epi8(_mm_max_epu8(codes, bound), codes);
  });
}

inline LaneMask lanes_at_most(const LaneRow& row, Code most) {
  const __m128i bound = lanes::all(most);
  return lanes::mask_of([&](std::size_t from) {
    const __m128i codes = lanes::load(row, from);
    return _mm_cmpeq_epi8(_mm_min_epu8(codes, bound), codes);
  });
}

inline LaneMask lanes_equal(const LaneRow& row, Code code) {
  const __m128i wanted = lanes::all(code);
  return lanes::mask_of(
      [&](std::size_t from) { return _mm_cmpeq_epi8(lanes::load(row, from), wanted); });
}

// The greatest code among the lanes whose code in `gate` is at least `least`; 0 of none. With
// `turned` the greatest of 255 - code.
inline Code greatest_where(const LaneRow& row, const LaneRow& gate, Code least, bool turned) {
  const __m128i bound = lanes::all(least);
  const __m128i turn = lanes::all(turned ? kCodeMax : 0);
  __m128i most = _mm_setzero_si128();
  for (std::size_t from = 0; from < kLanes; from += lanes::kStep) {
    const __m128i gates = lanes::load(gate, from);
    const __m128i open = _mm_cmpeq_epi8(_mm_max_epu8(gates, bound), gates);
    const __m128i codes = _mm_xor_si128(lanes::load(row, from), turn);
    most = _mm_max_epu8(most, _mm_and_si128(codes, open));
  }
  return lanes::greatest(most);
}

#else

namespace lanes {
// Flags of 0 or 1 become bits; the flags of eight lanes are gathered by one product.
template <class Test>
LaneMask mask_of(const LaneRow& row, Test&& test) {
  std::array<std::uint8_t, kLanes> flags;
  for (std::size_t i = 0; i < kLanes; ++i) flags[i] = test(row.at[i]) ? 1 : 0;
  LaneMask mask = 0;
  for (std::size_t from = 0; from < kLanes; from += 8) {
    std::uint64_t eight = 0;
    for (std::size_t i = 0; i < 8; ++i) eight |= std::uint64_t{flags[from + i]} << (8 * i);
    mask |= ((eight * 0x0102040810204080U) >> 56U) << from;
  }
  return mask;
}
}  // namespace lanes

inline LaneMask lanes_at_least(const LaneRow& row, Code least) {
  return lanes::mask_of(row, [&](Code code) { return code >= least; });
}
inline LaneMask lanes_at_most(const LaneRow& row, Code most) {
  return lanes::mask_of(row, [&](Code code) { return code <= most; });
}
inline LaneMask lanes_equal(const LaneRow& row, Code wanted) {
  return lanes::mask_of(row, [&](Code code) { return code == wanted; });
}
inline Code greatest_where(const LaneRow& row, const LaneRow& gate, Code least, bool turned) {
  const Code turn = turned ? kCodeMax : 0;
  Code most = 0;
  for (std::size_t i = 0; i < kLanes; ++i) {
    const Code code = gate.at[i] >= least ? row.at[i] ^ turn : 0;
    most = std::max(most, code);
  }
  return most;
}

#endif

// A test of the codes in `row`, counted from some first one.
struct RowTest {
  std::uint8_t row;
  Code code;
};
// Of the lanes in `left` those whose codes are all at least the tests'. With what this processor
// has: chosen once.
using SiftRows = LaneMask (*)(const LaneRow* rows, const RowTest* tests, std::size_t count,
                              LaneMask left);
extern const SiftRows sift_rows;

inline Code greatest(const LaneRow& row) { return greatest_where(row, row, 0, false); }

// A code that keeps the order: exact up to 2^(bits + 1), then with `bits` digits after the first.
constexpr Code code_by_size(std::uint64_t value, unsigned bits) {
  const unsigned width = static_cast<unsigned>(std::bit_width(value));
  if (width <= bits + 1) return static_cast<Code>(value);
  const unsigned cut = width - (bits + 1);
  const std::uint64_t code = (std::uint64_t{cut} << bits) + (value >> cut);
  return static_cast<Code>(std::min<std::uint64_t>(code, kCodeMax));
}

}  // namespace fallow::core
