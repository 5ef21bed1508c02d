#include "retriever_pool/detail/block_scan.hpp"

#include <immintrin.h>

namespace rookery::retriever_pool::detail {
namespace {

constexpr int kPairs = 16;  // accumulators of one tile: 2 rows × 8 queries, 4 × 4, 8 × 2 or 16 × 1
constexpr std::int32_t kPrefetchFloats = 1024;  // ahead in memory, 4 KiB: beyond a row of 768

// Sums the 16 lanes of 16 accumulators at once by law 1's tree (widths 8, 4, 2, 1); lane j of the
// result belongs to accumulator j.
inline __m512 reduce(const __m512 a[kPairs]) {
  __m512 b[8];
  for (int j = 0; j < 8; ++j) {
    b[j] = _mm512_add_ps(_mm512_shuffle_f32x4(a[j], a[j + 8], 0x44),
                         _mm512_shuffle_f32x4(a[j], a[j + 8], 0xEE));
  }
  __m512 c[4];
  for (int j = 0; j < 4; ++j) {
    c[j] = _mm512_add_ps(_mm512_shuffle_f32x4(b[j], b[j + 4], 0x88),
                         _mm512_shuffle_f32x4(b[j], b[j + 4], 0xDD));
  }
  __m512 d[2];
  for (int j = 0; j < 2; ++j) {
    d[j] = _mm512_add_ps(_mm512_shuffle_ps(c[j], c[j + 2], 0x44),
                         _mm512_shuffle_ps(c[j], c[j + 2], 0xEE));
  }
  const __m512 e =
      _mm512_add_ps(_mm512_shuffle_ps(d[0], d[1], 0x88), _mm512_shuffle_ps(d[0], d[1], 0xDD));
  // Block b of e holds accumulators {0, 8, 4, 12}[b] + {0, 2, 1, 3}.
  const __m512i order = _mm512_setr_epi32(0, 2, 1, 3, 8, 10, 9, 11, 4, 6, 5, 7, 12, 14, 13, 15);
  return _mm512_permutexvar_ps(order, e);
}

template <bool kL2>
inline __m512 accumulate(__m512 query, __m512 row, __m512 sum) {
  if constexpr (kL2) {
    const __m512 difference = _mm512_sub_ps(query, row);
    return _mm512_fmadd_ps(difference, difference, sum);
  } else {
    return _mm512_fmadd_ps(query, row, sum);
  }
}

// One tile of kRows × kQueries = 16 pairs; accumulator r * kQueries + q.
template <bool kL2, int kRows, int kQueries>
inline __m512 tile(const float* const rows[kRows], const float* queries, std::int32_t dimension,
                   std::int32_t padded) {
  __m512 sums[kPairs];
#pragma GCC unroll 16
  for (int j = 0; j < kPairs; ++j) sums[j] = _mm512_setzero_ps();
  std::int32_t i = 0;
  for (; i + kLanes <= dimension; i += kLanes) {
    __m512 row[kRows];
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
      row[r] = _mm512_loadu_ps(rows[r] + i);
      _mm_prefetch(reinterpret_cast<const char*>(rows[r] + i + kRows * kPrefetchFloats / 2),
                   _MM_HINT_T0);
    }
#pragma GCC unroll 16
    for (int q = 0; q < kQueries; ++q) {
      const __m512 query = _mm512_load_ps(queries + std::int64_t{q} * padded + i);
#pragma GCC unroll 16
      for (int r = 0; r < kRows; ++r) {
        sums[r * kQueries + q] = accumulate<kL2>(query, row[r], sums[r * kQueries + q]);
      }
    }
  }
  if (i < dimension) {
    const auto mask = static_cast<__mmask16>((1U << (dimension - i)) - 1U);
#pragma GCC unroll 16
    for (int q = 0; q < kQueries; ++q) {
      const __m512 query = _mm512_load_ps(queries + std::int64_t{q} * padded + i);
#pragma GCC unroll 16
      for (int r = 0; r < kRows; ++r) {
        const __m512 row = _mm512_maskz_loadu_ps(mask, rows[r] + i);
        sums[r * kQueries + q] = accumulate<kL2>(query, row, sums[r * kQueries + q]);
      }
    }
  }
  const __m512 scores = reduce(sums);
  if constexpr (kL2) {
    const __m512i sign = _mm512_set1_epi32(static_cast<int>(0x80000000U));
    return _mm512_castsi512_ps(_mm512_xor_si512(_mm512_castps_si512(scores), sign));
  } else {
    return scores;
  }
}

template <bool kL2, int kRows, int kQueries>
void scan_tiles(const BlockScan& scan) {
  const std::int32_t padded = padded_dimension(scan.dimension);
  alignas(64) float thresholds[kPairs];
  for (int j = 0; j < kPairs; ++j) {
    const int q = j % kQueries;
    thresholds[j] = q < scan.query_count ? scan.candidates[q].threshold : __builtin_inff();
  }
  const __m512 limit = _mm512_load_ps(thresholds);
  alignas(64) float scores[kPairs];
  for (std::int64_t begin = 0; begin < scan.row_count; begin += kRows) {
    const float* rows[kRows];
    const std::int64_t left = scan.row_count - begin;
    for (int r = 0; r < kRows; ++r) {  // the last tile repeats its last row, which is not counted
      rows[r] = scan.rows + (begin + (r < left ? r : left - 1)) * scan.dimension;
    }
    const __m512 result = tile<kL2, kRows, kQueries>(rows, scan.queries, scan.dimension, padded);
    std::uint32_t above = _mm512_cmp_ps_mask(result, limit, _CMP_GT_OQ);
    if (left < kRows) above &= (1U << (left * kQueries)) - 1U;
    if (above == 0) continue;
    _mm512_store_ps(scores, result);
    while (above != 0) {  // rising j: rows rise within each query
      const int j = __builtin_ctz(above);
      above &= above - 1;
      CandidateList& list = scan.candidates[j % kQueries];
      list.items[list.count++] = {scores[j], scan.row_begin + begin + j / kQueries};
    }
  }
}

template <bool kL2>
void scan_block(const BlockScan& scan) {
  if (scan.query_count == 1) return scan_tiles<kL2, 16, 1>(scan);
  if (scan.query_count == 2) return scan_tiles<kL2, 8, 2>(scan);
  if (scan.query_count <= 4) return scan_tiles<kL2, 4, 4>(scan);
  scan_tiles<kL2, 2, 8>(scan);
}

}  // namespace

void scan_block_avx512_product(const BlockScan& scan) { scan_block<false>(scan); }
void scan_block_avx512_l2(const BlockScan& scan) { scan_block<true>(scan); }

}  // namespace rookery::retriever_pool::detail
