// The kernels of a device's proof: the arithmetic of src/proof, bit for bit (src/agent's tests hold
// them to it). OpenCL C 1.2; one source for every vendor.

#define GOLDEN 0x9e3779b97f4a7c15UL

ulong mixed(ulong word) {
  word = (word ^ (word >> 30)) * 0xbf58476d1ce4e5b9UL;
  word = (word ^ (word >> 27)) * 0x94d049bb133111ebUL;
  return word ^ (word >> 31);
}

ulong8 mixed8(ulong8 word) {
  word = (word ^ (word >> 30UL)) * 0xbf58476d1ce4e5b9UL;
  word = (word ^ (word >> 27UL)) * 0x94d049bb133111ebUL;
  return word ^ (word >> 31UL);
}

ulong8 places(ulong cell) {
  return (ulong8)(0, 1, 2, 3, 4, 5, 6, 7) + cell * 8UL;
}

// Words `first`, `first` + 1, ... of a key's stream.
__kernel void make_words(ulong key_a, ulong key_b, ulong first, __global ulong* out) {
  const ulong i = get_global_id(0);
  out[i] = mixed(((first + i + key_b) * GOLDEN) ^ key_a);
}

int dot4(uint a, uint b, int sum) {
#ifdef FALLOW_DOT
  return sum + dot_4x8packed_ss_int(a, b);
#else
  const char4 x = as_char4(a);
  const char4 y = as_char4(b);
  return sum + x.s0 * y.s0 + x.s1 * y.s1 + x.s2 * y.s2 + x.s3 * y.s3;
#endif
}

#define TILE 64
#define DEPTH 8

// A tile of 64 x 64 of the product of a's rows and b's rows, each `words` words of four bytes.
__kernel __attribute__((reqd_work_group_size(16, 16, 1))) void multiply(__global const uint* a,
                                                                         __global const uint* b,
                                                                         __global int* c,
                                                                         uint words) {
  __local uint a_tile[DEPTH][TILE + 1];
  __local uint b_tile[DEPTH][TILE + 1];
  const uint x = get_local_id(0);
  const uint y = get_local_id(1);
  const ulong column = get_group_id(0) * TILE;
  const ulong row = get_group_id(1) * TILE;
  int sums[4][4];
  for (uint i = 0; i < 4; ++i)
    for (uint j = 0; j < 4; ++j) sums[i][j] = 0;
  for (uint from = 0; from < words; from += DEPTH) {
    for (uint i = y * 16 + x; i < TILE * DEPTH; i += 256) {
      const uint line = i / DEPTH;
      const uint word = i % DEPTH;
      a_tile[word][line] = a[(row + line) * words + from + word];
      b_tile[word][line] = b[(column + line) * words + from + word];
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    for (uint word = 0; word < DEPTH; ++word) {
      for (uint i = 0; i < 4; ++i) {
        const uint left = a_tile[word][y * 4 + i];
        for (uint j = 0; j < 4; ++j) {
          sums[i][j] = dot4(left, b_tile[word][x + 16 * j], sums[i][j]);
        }
      }
    }
    barrier(CLK_LOCAL_MEM_FENCE);
  }
  for (uint i = 0; i < 4; ++i)
    for (uint j = 0; j < 4; ++j)
      c[(row + y * 4 + i) * (words * 4UL) + column + x + 16 * j] = sums[i][j];
}

// One row: an item a column.
__kernel void multiply_row(__global const uint* a, __global const uint* b, __global int* c,
                           uint words) {
  const ulong column = get_global_id(0);
  int sum = 0;
  for (uint i = 0; i < words; ++i) sum = dot4(a[i], b[column * words + i], sum);
  c[column] = sum;
}

// ---- BLAKE2b-256 (RFC 7693) of a zero byte and then a leaf's words, as base/merkle.h has it.

#define G(a, b, c, d, x, y)                \
  v[a] = v[a] + v[b] + m[x];               \
  v[d] = rotate(v[d] ^ v[a], 32UL);        \
  v[c] = v[c] + v[d];                      \
  v[b] = rotate(v[b] ^ v[c], 40UL);        \
  v[a] = v[a] + v[b] + m[y];               \
  v[d] = rotate(v[d] ^ v[a], 48UL);        \
  v[c] = v[c] + v[d];                      \
  v[b] = rotate(v[b] ^ v[c], 1UL);

#define ROUND(s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11, s12, s13, s14, s15) \
  G(0, 4, 8, 12, s0, s1)                                                            \
  G(1, 5, 9, 13, s2, s3)                                                            \
  G(2, 6, 10, 14, s4, s5)                                                           \
  G(3, 7, 11, 15, s6, s7)                                                           \
  G(0, 5, 10, 15, s8, s9)                                                           \
  G(1, 6, 11, 12, s10, s11)                                                         \
  G(2, 7, 8, 13, s12, s13)                                                          \
  G(3, 4, 9, 14, s14, s15)

__constant ulong kStart[8] = {0x6a09e667f3bcc908UL, 0xbb67ae8584caa73bUL, 0x3c6ef372fe94f82bUL,
                              0xa54ff53a5f1d36f1UL, 0x510e527fade682d1UL, 0x9b05688c2b3e6c1fUL,
                              0x1f83d9abfb41bd6bUL, 0x5be0cd19137e2179UL};

void compress(ulong* h, const ulong* m, ulong bytes, ulong last) {
  ulong v[16];
  for (uint i = 0; i < 8; ++i) {
    v[i] = h[i];
    v[i + 8] = kStart[i];
  }
  v[12] ^= bytes;
  v[14] ^= last;
  ROUND(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
  ROUND(14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3)
  ROUND(11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4)
  ROUND(7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8)
  ROUND(9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13)
  ROUND(2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9)
  ROUND(12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11)
  ROUND(13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10)
  ROUND(6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5)
  ROUND(10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0)
  ROUND(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
  ROUND(14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3)
  for (uint i = 0; i < 8; ++i) h[i] ^= v[i] ^ v[i + 8];
}

// An item a leaf of `words` words, a multiple of 16.
__kernel void hash_leaves(__global const ulong* data, ulong words, ulong leaves,
                          __global ulong* digests) {
  const ulong leaf = get_global_id(0);
  if (leaf >= leaves) return;
  __global const ulong* from = data + leaf * words;
  ulong h[8];
  for (uint i = 0; i < 8; ++i) h[i] = kStart[i];
  h[0] ^= 0x01010020UL;
  // The prefix moves every byte by one.
  ulong carried = 0;
  ulong m[16];
  for (ulong at = 0; at < words; at += 16) {
    for (uint i = 0; i < 16; ++i) {
      const ulong word = from[at + i];
      m[i] = (word << 8) | carried;
      carried = word >> 56;
    }
    compress(h, m, (at + 16) * 8, 0);
  }
  m[0] = carried;
  for (uint i = 1; i < 16; ++i) m[i] = 0;
  compress(h, m, words * 8 + 1, ~0UL);
  for (uint i = 0; i < 4; ++i) digests[leaf * 4 + i] = h[i];
}

// ---- the memory fill: see src/proof/fill.h. Memory stands in up to eight segments of whole
// chunks, for drivers give no buffer the size of all.

__kernel void fill_first(ulong key_a, ulong key_b, ulong cells, __global ulong8* out) {
  const ulong cell = get_global_id(0);
  if (cell >= cells) return;
  out[cell] = mixed8(((places(cell) + key_b) * GOLDEN) ^ key_a);
}

__kernel void fill_next(ulong key_a, ulong key_b, ulong cells, ulong chunk, ulong segment_cells,
                        __global ulong8* s0, __global ulong8* s1, __global ulong8* s2,
                        __global ulong8* s3, __global ulong8* s4, __global ulong8* s5,
                        __global ulong8* s6, __global ulong8* s7) {
  const ulong i = get_global_id(0);
  if (i >= cells) return;
  __global ulong8* const segments[8] = {s0, s1, s2, s3, s4, s5, s6, s7};
  const ulong cell = chunk * cells + i;
  const ulong above = cell - cells;
  const ulong8 before = segments[above / segment_cells][above % segment_cells];
  const ulong other = mul_hi(mixed(before.s0 ^ key_b), chunk * cells);
  const ulong another = mul_hi(mixed(before.s1 ^ key_b), chunk * cells);
  const ulong8 more = segments[other / segment_cells][other % segment_cells];
  const ulong8 most = segments[another / segment_cells][another % segment_cells];
  segments[cell / segment_cells][cell % segment_cells] =
      mixed8((before + rotate(more, (ulong8)(23UL))) * GOLDEN + rotate(most, (ulong8)(41UL)) + key_a +
             places(cell));
}

// ---- rates.

__kernel void copy(__global const ulong8* from, __global ulong8* to) {
  const ulong i = get_global_id(0);
  to[i] = from[i];
}

// 16 multiply-adds a lap and item, four at once.
#define RATE_KERNEL(name, type, type4)                             \
  __kernel void name(uint laps, __global float* out) {             \
    const uint i = get_global_id(0);                               \
    const type4 factor = (type4)((type)0.999f);                    \
    const type4 more = (type4)((type)0.001f);                      \
    type4 a = (type4)((type)(i % 7));                              \
    type4 b = a + more;                                            \
    type4 c = b + more;                                            \
    type4 d = c + more;                                            \
    for (uint lap = 0; lap < laps; ++lap) {                        \
      a = fma(a, factor, more);                                    \
      b = fma(b, factor, more);                                    \
      c = fma(c, factor, more);                                    \
      d = fma(d, factor, more);                                    \
    }                                                              \
    const type4 sum = a + b + c + d;                               \
    out[i] = (float)(sum.s0 + sum.s1 + sum.s2 + sum.s3);           \
  }

RATE_KERNEL(rate32, float, float4)
#ifdef FALLOW_FP64
#pragma OPENCL EXTENSION cl_khr_fp64 : enable
RATE_KERNEL(rate64, double, double4)
#endif
#ifdef FALLOW_FP16
#pragma OPENCL EXTENSION cl_khr_fp16 : enable
RATE_KERNEL(rate16, half, half4)
#endif
