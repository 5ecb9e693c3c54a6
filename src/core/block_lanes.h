// Rows of 64 bytes that are compared all at once: a block of the book holds one value of each of
// its offers a row, and a zone one bound of each of its blocks.
//
// A byte is a code of a number: codes keep the order of what they stand for, so a comparison of
// codes never turns away a number that passes, and whoever needs to know asks the number itself.
// Values; any thread. SSE2 is what every x86-64 has; elsewhere the same is done eight at a time.
// What a search spends its time in, LaneSearch, takes wider vectors where the processor has them.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace fallow::core {

// Asks the memory for the line of the cache at the address.
inline void prefetch_line(const void* address) { __builtin_prefetch(address); }

constexpr std::size_t kLanes = 64;
using LaneMask = std::uint64_t;  // a bit a lane
using Code = std::uint8_t;
constexpr Code kCodeMax = 255;

struct alignas(kLanes) LaneRow {
  std::array<Code, kLanes> at{};
};

constexpr LaneMask lane_bit(std::size_t lane) { return LaneMask{1} << lane; }
// Marks the lane or not; writes only what is new, for a line of the cache that is not written need
// not go back to memory.
inline void set_lane(LaneMask& mask, std::size_t lane, bool marked) {
  const LaneMask now = marked ? mask | lane_bit(lane) : mask & ~lane_bit(lane);
  if (now != mask) mask = now;
}
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

// Those whose codes leave the same rest by `modulus`, a power of two.
inline LaneMask lanes_alike(const LaneRow& row, Code code, unsigned modulus) {
  const __m128i kept = lanes::all(static_cast<Code>(modulus - 1));
  const __m128i wanted = _mm_and_si128(lanes::all(code), kept);
  return lanes::mask_of([&](std::size_t from) {
    return _mm_cmpeq_epi8(_mm_and_si128(lanes::load(row, from), kept), wanted);
  });
}

// Adds one to each code that is at least `least`, or takes one away.
inline void shift_codes(LaneRow& row, Code least, bool up) {
  const __m128i bound = lanes::all(least);
  for (std::size_t from = 0; from < kLanes; from += lanes::kStep) {
    const __m128i codes = lanes::load(row, from);
    const __m128i concerned = _mm_cmpeq_epi8(_mm_max_epu8(codes, bound), codes);  // each is -1
    const __m128i shifted = up ? _mm_sub_epi8(codes, concerned) : _mm_add_epi8(codes, concerned);
    _mm_store_si128(reinterpret_cast<__m128i*>(row.at.data() + from), shifted);
  }
}

// Of the first 32 codes of the row those that equal, and those that lie below, the one at the same
// place of `four`, which is repeated all along.
struct FourCompared {
  std::uint32_t equal;
  std::uint32_t below;
};
inline FourCompared compare_four(const LaneRow& row, const std::array<Code, 4>& four) {
  const __m128i wanted = _mm_set1_epi32(std::bit_cast<int>(four));
  const auto bits = [&](std::size_t from) {
    const __m128i codes = lanes::load(row, from);
    const int equal = _mm_movemask_epi8(_mm_cmpeq_epi8(codes, wanted));
    const int least = _mm_movemask_epi8(_mm_cmpeq_epi8(_mm_max_epu8(codes, wanted), codes));
    return FourCompared{static_cast<std::uint32_t>(equal),
                        static_cast<std::uint32_t>(~least & 0xFFFF)};
  };
  const FourCompared lower = bits(0);
  const FourCompared upper = bits(16);
  return {lower.equal | upper.equal << 16U, lower.below | upper.below << 16U};
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
inline LaneMask lanes_alike(const LaneRow& row, Code wanted, unsigned modulus) {
  return lanes::mask_of(row, [&](Code code) { return code % modulus == wanted % modulus; });
}
inline void shift_codes(LaneRow& row, Code least, bool up) {
  for (Code& code : row.at) {
    if (code >= least) code = static_cast<Code>(up ? code + 1 : code - 1);
  }
}
struct FourCompared {
  std::uint32_t equal;
  std::uint32_t below;
};
inline FourCompared compare_four(const LaneRow& row, const std::array<Code, 4>& four) {
  FourCompared compared{0, 0};
  for (std::size_t i = 0; i < 32; ++i) {
    if (row.at[i] == four[i % 4]) compared.equal |= 1U << i;
    if (row.at[i] < four[i % 4]) compared.below |= 1U << i;
  }
  return compared;
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
// The same where the number behind a code may decide: a code of at least `code` may pass, one above
// `below` surely does. `turn` is 255 where 255 - code is tested, which bounds it from above.
struct LaneTest {
  std::uint8_t row;
  Code turn;
  Code code;
  Code below;
};
class CodeSet {
 public:
  constexpr void add(Code code) { bits_[code / 8U] |= bit(code); }
  constexpr bool has(Code code) const { return (bits_[code / 8U] & bit(code)) != 0; }
  constexpr CodeSet operator~() const {
    CodeSet others;
    for (std::size_t i = 0; i < bits_.size(); ++i) {
      others.bits_[i] = static_cast<std::uint8_t>(~bits_[i]);
    }
    return others;
  }
  constexpr CodeSet operator&(const CodeSet& other) const {
    CodeSet both;
    for (std::size_t i = 0; i < bits_.size(); ++i) {
      both.bits_[i] = static_cast<std::uint8_t>(bits_[i] & other.bits_[i]);
    }
    return both;
  }
  constexpr CodeSet operator|(const CodeSet& other) const { return ~(~*this & ~other); }
  const std::uint8_t* bits() const { return bits_.data(); }  // 32 bytes, the lowest code first

 private:
  static constexpr std::uint8_t bit(Code code) {
    return static_cast<std::uint8_t>(1U << (code % 8U));
  }
  std::array<std::uint8_t, 32> bits_{};
};
// A code of `may` may pass, one of `sure`, which are among them, surely does.
struct SetTest {
  std::uint8_t row;
  CodeSet may;
  CodeSet sure;
};
struct LaneTests {
  const LaneTest* bounds;
  std::size_t bounds_count;
  const SetTest* sets;
  std::size_t sets_count;
};
struct Sifted {
  LaneMask may;   // pass every test, as far as codes tell
  LaneMask sure;  // of these the ones that do whatever stands behind the codes
};
// 64 exact numbers beside a row of codes.
struct alignas(kLanes) NumberRow {
  std::array<std::uint32_t, kLanes> at{};
};

// Bounds of codes by a count; the last one is that of any count beyond.
constexpr std::size_t kCounts = 16;
using CodesByCount = std::array<Code, kCounts>;

// What a search spends its time in.
struct LaneSearch {
  // Of the lanes in `left` those whose codes are all at least the tests'.
  LaneMask (*sift_rows)(const LaneRow* rows, const RowTest* tests, std::size_t count,
                        LaneMask left);
  Sifted (*sift_lanes)(const LaneRow* rows, const LaneTests& tests, LaneMask left);
  // The lane with the least code; `lanes` has one.
  std::size_t (*least_lane)(const LaneRow& row, LaneMask lanes);
  // Of the lanes in `left` those whose numbers lie within.
  LaneMask (*keep_within)(const NumberRow& numbers, std::uint32_t low, std::uint32_t high,
                          LaneMask left);
  // Of the lanes in `left` those whose codes, or `unknown` where they are 0, are above the bound of
  // their count.
  LaneMask (*keep_above)(const LaneRow& codes, Code unknown, const LaneRow& counts,
                         const CodesByCount& bounds, LaneMask left);
};
// With all that this processor has: chosen once.
extern const LaneSearch lane_search;
// Every way this processor knows, plain words or SSE2 first.
std::vector<LaneSearch> lane_searches();

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
