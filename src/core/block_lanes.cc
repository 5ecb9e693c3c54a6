#include "core/block_lanes.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace fallow::core {
namespace {

LaneMask lanes_in(const LaneRow& row, const CodeSet& set, LaneMask left) {
  for (LaneMask at = left; at != 0; at &= at - 1) {
    const std::size_t lane = first_lane(at);
    if (!set.has(row.at[lane])) left &= ~lane_bit(lane);
  }
  return left;
}

void sift_sets(const LaneRow* rows, const LaneTests& tests, Sifted& sifted) {
  for (std::size_t i = 0; i < tests.sets_count && sifted.may != 0; ++i) {
    const SetTest& test = tests.sets[i];
    sifted.may = lanes_in(rows[test.row], test.may, sifted.may);
    sifted.sure = lanes_in(rows[test.row], test.sure, sifted.sure & sifted.may);
  }
}

LaneMask sift_rows_plain(const LaneRow* rows, const RowTest* tests, std::size_t count,
                         LaneMask left) {
  for (std::size_t i = 0; i < count && left != 0; ++i) {
    left &= lanes_at_least(rows[tests[i].row], tests[i].code);
  }
  return left;
}

Sifted sift_lanes_plain(const LaneRow* rows, const LaneTests& tests, LaneMask left) {
  Sifted sifted{left, left};
  for (std::size_t i = 0; i < tests.bounds_count && sifted.may != 0; ++i) {
    const LaneTest& test = tests.bounds[i];
    const LaneRow& row = rows[test.row];
    if (test.turn == 0) {
      sifted.may &= lanes_at_least(row, test.code);
      sifted.sure &= ~lanes_at_most(row, test.below);
    } else {
      sifted.may &= lanes_at_most(row, static_cast<Code>(kCodeMax - test.code));
      sifted.sure &= ~lanes_at_least(row, static_cast<Code>(kCodeMax - test.below));
    }
  }
  sifted.sure &= sifted.may;
  sift_sets(rows, tests, sifted);
  return sifted;
}

std::size_t least_lane_plain(const LaneRow& row, LaneMask lanes) {
  std::size_t best = first_lane(lanes);
  for (lanes &= lanes - 1; lanes != 0; lanes &= lanes - 1) {
    const std::size_t lane = first_lane(lanes);
    if (row.at[lane] < row.at[best]) best = lane;
  }
  return best;
}

LaneMask keep_within_plain(const NumberRow& numbers, std::uint32_t low, std::uint32_t high,
                           LaneMask left) {
  for (LaneMask at = left; at != 0; at &= at - 1) {
    const std::size_t lane = first_lane(at);
    if (numbers.at[lane] < low || numbers.at[lane] > high) left &= ~lane_bit(lane);
  }
  return left;
}

LaneMask keep_above_plain(const LaneRow& codes, Code unknown, const LaneRow& counts,
                          const CodesByCount& bounds, LaneMask left) {
  for (LaneMask at = left; at != 0; at &= at - 1) {
    const std::size_t lane = first_lane(at);
    const Code code = codes.at[lane] == 0 ? unknown : codes.at[lane];
    const std::size_t count = std::min<std::size_t>(counts.at[lane], kCounts - 1);
    if (code <= bounds[count]) left &= ~lane_bit(lane);
  }
  return left;
}

#if defined(__x86_64__)

#define FALLOW_AVX2 __attribute__((target("avx2")))
#define FALLOW_AVX512 __attribute__((target("avx512f,avx512bw,avx512vl")))

// The lanes whose bytes in the two halves of a row have their highest bit.
FALLOW_AVX2 LaneMask mask_avx2(__m256i low, __m256i high) {
  const auto low_bits = static_cast<std::uint32_t>(_mm256_movemask_epi8(low));
  const auto high_bits = static_cast<std::uint32_t>(_mm256_movemask_epi8(high));
  return LaneMask{low_bits} | LaneMask{high_bits} << 32U;
}

FALLOW_AVX2 __m256i at_least_avx2(__m256i codes, __m256i bound) {
  return _mm256_cmpeq_epi8(_mm256_max_epu8(codes, bound), codes);
}

FALLOW_AVX2 __m256i at_most_avx2(__m256i codes, __m256i bound) {
  return _mm256_cmpeq_epi8(_mm256_min_epu8(codes, bound), codes);
}

FALLOW_AVX2 LaneMask sift_rows_avx2(const LaneRow* rows, const RowTest* tests, std::size_t count,
                                    LaneMask left) {
  for (std::size_t i = 0; i < count && left != 0; ++i) {
    const auto* const codes = reinterpret_cast<const __m256i*>(rows[tests[i].row].at.data());
    const __m256i bound = _mm256_set1_epi8(static_cast<char>(tests[i].code));
    left &= mask_avx2(at_least_avx2(_mm256_load_si256(codes), bound),
                      at_least_avx2(_mm256_load_si256(codes + 1), bound));
  }
  return left;
}

// A bit a code of a byte's lower three: 1, 2, 4 and so on, eight times round.
FALLOW_AVX2 __m256i bits_avx2() {
  return _mm256_set1_epi64x(static_cast<long long>(0x8040201008040201U));
}

// As lanes_in_avx512().
FALLOW_AVX2 __m256i in_set_avx2(__m256i codes, const CodeSet& set) {
  const auto* const halves = reinterpret_cast<const __m128i*>(set.bits());
  const __m256i place = _mm256_and_si256(_mm256_srli_epi16(codes, 3), _mm256_set1_epi8(0x0F));
  const __m256i lower =
      _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(_mm_loadu_si128(halves)), place);
  const __m256i upper =
      _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(_mm_loadu_si128(halves + 1)), place);
  const __m256i bytes = _mm256_blendv_epi8(lower, upper, codes);
  const __m256i bits =
      _mm256_shuffle_epi8(bits_avx2(), _mm256_and_si256(codes, _mm256_set1_epi8(0x07)));
  return _mm256_cmpeq_epi8(_mm256_and_si256(bytes, bits), bits);
}

FALLOW_AVX2 Sifted sift_lanes_avx2(const LaneRow* rows, const LaneTests& tests, LaneMask left) {
  Sifted sifted{left, left};
  for (std::size_t i = 0; i < tests.bounds_count && sifted.may != 0; ++i) {
    const LaneTest& test = tests.bounds[i];
    const auto* const codes = reinterpret_cast<const __m256i*>(rows[test.row].at.data());
    const __m256i turn = _mm256_set1_epi8(static_cast<char>(test.turn));
    const __m256i low = _mm256_xor_si256(_mm256_load_si256(codes), turn);
    const __m256i high = _mm256_xor_si256(_mm256_load_si256(codes + 1), turn);
    const __m256i least = _mm256_set1_epi8(static_cast<char>(test.code));
    const __m256i below = _mm256_set1_epi8(static_cast<char>(test.below));
    sifted.may &= mask_avx2(at_least_avx2(low, least), at_least_avx2(high, least));
    sifted.sure &= ~mask_avx2(at_most_avx2(low, below), at_most_avx2(high, below));
  }
  for (std::size_t i = 0; i < tests.sets_count && sifted.may != 0; ++i) {
    const SetTest& test = tests.sets[i];
    const auto* const codes = reinterpret_cast<const __m256i*>(rows[test.row].at.data());
    const __m256i low = _mm256_load_si256(codes);
    const __m256i high = _mm256_load_si256(codes + 1);
    sifted.may &= mask_avx2(in_set_avx2(low, test.may), in_set_avx2(high, test.may));
    sifted.sure &= mask_avx2(in_set_avx2(low, test.sure), in_set_avx2(high, test.sure));
  }
  sifted.sure &= sifted.may;
  return sifted;
}

// A byte of ones a bit that is not set.
FALLOW_AVX2 __m256i others_avx2(std::uint32_t bits) {
  const __m256i bytes = _mm256_shuffle_epi8(
      _mm256_set1_epi32(static_cast<int>(bits)),
      _mm256_setr_epi64x(0, 0x0101010101010101, 0x0202020202020202, 0x0303030303030303));
  return _mm256_cmpeq_epi8(_mm256_and_si256(bytes, bits_avx2()), _mm256_setzero_si256());
}

FALLOW_AVX2 std::size_t least_lane_avx2(const LaneRow& row, LaneMask lanes) {
  if ((lanes & (lanes - 1)) == 0) return first_lane(lanes);
  const auto* const codes = reinterpret_cast<const __m256i*>(row.at.data());
  const __m256i low = _mm256_load_si256(codes);
  const __m256i high = _mm256_load_si256(codes + 1);
  const __m256i half = _mm256_min_epu8(
      _mm256_or_si256(low, others_avx2(static_cast<std::uint32_t>(lanes & 0xFFFF'FFFFU))),
      _mm256_or_si256(high, others_avx2(static_cast<std::uint32_t>(lanes >> 32U))));
  const __m128i quarter =
      _mm_min_epu8(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
  const __m128i pairs = _mm_min_epu8(quarter, _mm_srli_epi16(quarter, 8));
  const int least =
      _mm_cvtsi128_si32(_mm_minpos_epu16(_mm_and_si128(pairs, _mm_set1_epi16(0xFF)))) & 0xFF;
  const __m256i wanted = _mm256_set1_epi8(static_cast<char>(least));
  return first_lane(lanes &
                    mask_avx2(_mm256_cmpeq_epi8(low, wanted), _mm256_cmpeq_epi8(high, wanted)));
}

FALLOW_AVX2 LaneMask keep_within_avx2(const NumberRow& numbers, std::uint32_t low,
                                      std::uint32_t high, LaneMask left) {
  const __m256i least = _mm256_set1_epi32(static_cast<int>(low));
  const __m256i most = _mm256_set1_epi32(static_cast<int>(high));
  LaneMask within = 0;
  for (unsigned from = 0; from < kLanes; from += 8) {
    const __m256i values =
        _mm256_load_si256(reinterpret_cast<const __m256i*>(numbers.at.data() + from));
    const __m256i passes =
        _mm256_and_si256(_mm256_cmpeq_epi32(_mm256_max_epu32(values, least), values),
                         _mm256_cmpeq_epi32(_mm256_min_epu32(values, most), values));
    const auto bits = static_cast<std::uint32_t>(_mm256_movemask_ps(_mm256_castsi256_ps(passes)));
    within |= LaneMask{bits} << from;
  }
  return within & left;
}

// Those of the codes that are not above the bounds of their counts.
FALLOW_AVX2 __m256i not_above_avx2(__m256i codes, __m256i unknown, __m256i counts,
                                   __m256i bounds_by_count) {
  const __m256i last = _mm256_set1_epi8(static_cast<char>(kCounts - 1));
  const __m256i bounds = _mm256_shuffle_epi8(bounds_by_count, _mm256_min_epu8(counts, last));
  const __m256i known =
      _mm256_blendv_epi8(codes, unknown, _mm256_cmpeq_epi8(codes, _mm256_setzero_si256()));
  return at_most_avx2(known, bounds);
}

FALLOW_AVX2 LaneMask keep_above_avx2(const LaneRow& codes, Code unknown, const LaneRow& counts,
                                     const CodesByCount& bounds, LaneMask left) {
  const auto* const of_codes = reinterpret_cast<const __m256i*>(codes.at.data());
  const auto* const of_counts = reinterpret_cast<const __m256i*>(counts.at.data());
  const __m256i unknowns = _mm256_set1_epi8(static_cast<char>(unknown));
  const __m256i by_count =
      _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(bounds.data())));
  return left & ~mask_avx2(not_above_avx2(_mm256_load_si256(of_codes), unknowns,
                                          _mm256_load_si256(of_counts), by_count),
                           not_above_avx2(_mm256_load_si256(of_codes + 1), unknowns,
                                          _mm256_load_si256(of_counts + 1), by_count));
}

FALLOW_AVX512 LaneMask sift_rows_avx512(const LaneRow* rows, const RowTest* tests,
                                        std::size_t count, LaneMask left) {
  for (std::size_t i = 0; i < count; ++i) {
    const __m512i codes = _mm512_load_si512(rows[tests[i].row].at.data());
    left &= _mm512_cmpge_epu8_mask(codes, _mm512_set1_epi8(static_cast<char>(tests[i].code)));
  }
  return left;
}

// Which of the codes are in the set: the byte of the set that has the code's bit is looked up in
// its two halves of 16.
FALLOW_AVX512 LaneMask lanes_in_avx512(__m512i codes, const CodeSet& set) {
  const auto* const halves = reinterpret_cast<const __m128i*>(set.bits());
  const __m512i place = _mm512_and_si512(_mm512_srli_epi16(codes, 3), _mm512_set1_epi8(0x0F));
  const __m512i lower = _mm512_shuffle_epi8(_mm512_broadcast_i32x4(_mm_loadu_si128(halves)), place);
  const __m512i upper =
      _mm512_shuffle_epi8(_mm512_broadcast_i32x4(_mm_loadu_si128(halves + 1)), place);
  const __m512i bytes = _mm512_mask_blend_epi8(_mm512_movepi8_mask(codes), lower, upper);
  const __m512i bits =
      _mm512_shuffle_epi8(_mm512_set1_epi64(static_cast<long long>(0x8040201008040201U)),
                          _mm512_and_si512(codes, _mm512_set1_epi8(0x07)));
  return _mm512_test_epi8_mask(bytes, bits);
}

FALLOW_AVX512 Sifted sift_lanes_avx512(const LaneRow* rows, const LaneTests& tests, LaneMask left) {
  Sifted sifted{left, left};
  for (std::size_t i = 0; i < tests.bounds_count; ++i) {
    const LaneTest& test = tests.bounds[i];
    const __m512i codes = _mm512_xor_si512(_mm512_load_si512(rows[test.row].at.data()),
                                           _mm512_set1_epi8(static_cast<char>(test.turn)));
    sifted.may &= _mm512_cmpge_epu8_mask(codes, _mm512_set1_epi8(static_cast<char>(test.code)));
    sifted.sure &= _mm512_cmpgt_epu8_mask(codes, _mm512_set1_epi8(static_cast<char>(test.below)));
  }
  for (std::size_t i = 0; i < tests.sets_count; ++i) {
    const SetTest& test = tests.sets[i];
    const __m512i codes = _mm512_load_si512(rows[test.row].at.data());
    sifted.may &= lanes_in_avx512(codes, test.may);
    sifted.sure &= lanes_in_avx512(codes, test.sure);
  }
  sifted.sure &= sifted.may;
  return sifted;
}

FALLOW_AVX512 std::size_t least_lane_avx512(const LaneRow& row, LaneMask lanes) {
  if ((lanes & (lanes - 1)) == 0) return first_lane(lanes);
  const __m512i codes = _mm512_load_si512(row.at.data());
  const __m512i among =
      _mm512_mask_blend_epi8(lanes, _mm512_set1_epi8(static_cast<char>(kCodeMax)), codes);
  const __m256i half =
      _mm256_min_epu8(_mm512_castsi512_si256(among), _mm512_extracti64x4_epi64(among, 1));
  const __m128i quarter =
      _mm_min_epu8(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
  const __m128i pairs = _mm_min_epu8(quarter, _mm_srli_epi16(quarter, 8));
  const int least =
      _mm_cvtsi128_si32(_mm_minpos_epu16(_mm_and_si128(pairs, _mm_set1_epi16(0xFF)))) & 0xFF;
  return first_lane(
      _mm512_mask_cmpeq_epi8_mask(lanes, codes, _mm512_set1_epi8(static_cast<char>(least))));
}

FALLOW_AVX512 LaneMask keep_within_avx512(const NumberRow& numbers, std::uint32_t low,
                                          std::uint32_t high, LaneMask left) {
  const __m512i least = _mm512_set1_epi32(static_cast<int>(low));
  const __m512i most = _mm512_set1_epi32(static_cast<int>(high));
  LaneMask within = 0;
  for (unsigned from = 0; from < kLanes; from += 16) {
    const __m512i values = _mm512_load_si512(numbers.at.data() + from);
    const LaneMask bits =
        _mm512_mask_cmple_epu32_mask(_mm512_cmpge_epu32_mask(values, least), values, most);
    within |= bits << from;
  }
  return within & left;
}

FALLOW_AVX512 LaneMask keep_above_avx512(const LaneRow& codes, Code unknown, const LaneRow& counts,
                                         const CodesByCount& bounds, LaneMask left) {
  const __m512i last = _mm512_set1_epi8(static_cast<char>(kCounts - 1));
  const __m512i by_count =
      _mm512_broadcast_i32x4(_mm_loadu_si128(reinterpret_cast<const __m128i*>(bounds.data())));
  const __m512i bound =
      _mm512_shuffle_epi8(by_count, _mm512_min_epu8(_mm512_load_si512(counts.at.data()), last));
  const __m512i told = _mm512_load_si512(codes.at.data());
  const __m512i known = _mm512_mask_blend_epi8(_mm512_cmpeq_epi8_mask(told, _mm512_setzero_si512()),
                                               told, _mm512_set1_epi8(static_cast<char>(unknown)));
  return left & _mm512_cmpgt_epu8_mask(known, bound);
}

#endif

}  // namespace

std::vector<LaneSearch> lane_searches() {
  std::vector<LaneSearch> ways{
      {sift_rows_plain, sift_lanes_plain, least_lane_plain, keep_within_plain, keep_above_plain}};
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2")) {
    ways.push_back(
        {sift_rows_avx2, sift_lanes_avx2, least_lane_avx2, keep_within_avx2, keep_above_avx2});
  }
  if (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl")) {
    ways.push_back({sift_rows_avx512, sift_lanes_avx512, least_lane_avx512, keep_within_avx512,
                    keep_above_avx512});
  }
#endif
  return ways;
}

const LaneSearch lane_search = lane_searches().back();

}  // namespace fallow::core
