#include "core/block_lanes.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace fallow::core {
namespace {

LaneMask sift_rows_plain(const LaneRow* rows, const RowTest* tests, std::size_t count,
                         LaneMask left) {
  for (std::size_t i = 0; i < count && left != 0; ++i) {
    left &= lanes_at_least(rows[tests[i].row], tests[i].code);
  }
  return left;
}

#if defined(__x86_64__)

__attribute__((target("avx2"))) LaneMask sift_rows_avx2(const LaneRow* rows, const RowTest* tests,
                                                        std::size_t count, LaneMask left) {
  for (std::size_t i = 0; i < count && left != 0; ++i) {
    const auto* const codes = reinterpret_cast<const __m256i*>(rows[tests[i].row].at.data());
    const __m256i bound = _mm256_set1_epi8(static_cast<char>(tests[i].code));
    const __m256i low = _mm256_load_si256(codes);
    const __m256i high = _mm256_load_si256(codes + 1);
    const auto low_bits = static_cast<std::uint32_t>(
        _mm256_movemask_epi8(_mm256_cmpeq_epi8(_mm256_max_epu8(low, bound), low)));
    const auto high_bits = static_cast<std::uint32_t>(
        _mm256_movemask_epi8(_mm256_cmpeq_epi8(_mm256_max_epu8(high, bound), high)));
    left &= LaneMask{low_bits} | LaneMask{high_bits} << 32U;
  }
  return left;
}

__attribute__((target("avx512f,avx512bw"))) LaneMask sift_rows_avx512(const LaneRow* rows,
                                                                      const RowTest* tests,
                                                                      std::size_t count,
                                                                      LaneMask left) {
  for (std::size_t i = 0; i < count; ++i) {
    const __m512i codes = _mm512_load_si512(rows[tests[i].row].at.data());
    left &= _mm512_cmpge_epu8_mask(codes, _mm512_set1_epi8(static_cast<char>(tests[i].code)));
  }
  return left;
}

SiftRows widest() {
  if (__builtin_cpu_supports("avx512bw")) return sift_rows_avx512;
  if (__builtin_cpu_supports("avx2")) return sift_rows_avx2;
  return sift_rows_plain;
}

#else

SiftRows widest() { return sift_rows_plain; }

#endif

}  // namespace

const SiftRows sift_rows = widest();

}  // namespace fallow::core
