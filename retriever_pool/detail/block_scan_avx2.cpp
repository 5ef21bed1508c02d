#include "retriever_pool/detail/block_scan.hpp"

#include <immintrin.h>

namespace rookery::retriever_pool::detail {
namespace {

constexpr int kPairs = 4;  // of one tile: 2 rows × 2 queries or 4 × 1; two registers a pair

// Sums 16 lanes (low: 0-7, high: 8-15) by law 1's tree (widths 8, 4, 2, 1).
inline float reduce(__m256 low, __m256 high) {
  const __m256 eight = _mm256_add_ps(low, high);
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps(two, two, 0x55)));
}

template <bool kL2>
inline __m256 accumulate(__m256 query, __m256 row, __m256 sum) {
  if constexpr (kL2) {
    const __m256 difference = _mm256_sub_ps(query, row);
    return _mm256_fmadd_ps(difference, difference, sum);
  } else {
    return _mm256_fmadd_ps(query, row, sum);
  }
}

template <bool kL2, int kRows, int kQueries>
inline void step(const float* const rows[kRows], std::int64_t row_offset, const float* queries,
                 std::int32_t padded, __m256 low[kPairs], __m256 high[kPairs]) {
#pragma GCC unroll 4
  for (int r = 0; r < kRows; ++r) {
    const __m256 row_low = _mm256_loadu_ps(rows[r] + row_offset);
    const __m256 row_high = _mm256_loadu_ps(rows[r] + row_offset + 8);
#pragma GCC unroll 4
    for (int q = 0; q < kQueries; ++q) {
      const float* query = queries + std::int64_t{q} * padded;
      const int j = r * kQueries + q;
      low[j] = accumulate<kL2>(_mm256_load_ps(query), row_low, low[j]);
      high[j] = accumulate<kL2>(_mm256_load_ps(query + 8), row_high, high[j]);
    }
  }
}

template <bool kL2, int kRows, int kQueries>
inline void tile(const float* const rows[kRows], const float* queries, std::int32_t dimension,
                 std::int32_t padded, float scores[kPairs]) {
  __m256 low[kPairs];
  __m256 high[kPairs];
#pragma GCC unroll 4
  for (int j = 0; j < kPairs; ++j) low[j] = high[j] = _mm256_setzero_ps();
  std::int32_t i = 0;
  for (; i + kLanes <= dimension; i += kLanes) {
    step<kL2, kRows, kQueries>(rows, i, queries + i, padded, low, high);
  }
  if (i < dimension) {
    alignas(32) float tails[kRows][kLanes] = {};
    const float* tail_rows[kRows];
    for (int r = 0; r < kRows; ++r) {
      for (std::int32_t t = i; t < dimension; ++t) tails[r][t - i] = rows[r][t];
      tail_rows[r] = tails[r];
    }
    step<kL2, kRows, kQueries>(tail_rows, 0, queries + i, padded, low, high);
  }
  for (int j = 0; j < kPairs; ++j) {
    const float sum = reduce(low[j], high[j]);
    scores[j] = kL2 ? -sum : sum;
  }
}

template <bool kL2, int kRows, int kQueries>
void scan_tiles(const BlockScan& scan, std::int32_t query_begin) {
  const std::int32_t padded = padded_dimension(scan.dimension);
  const float* queries = scan.queries + std::int64_t{query_begin} * padded;
  float scores[kPairs];
  for (std::int64_t begin = 0; begin < scan.row_count; begin += kRows) {
    const float* rows[kRows];
    const std::int64_t left = scan.row_count - begin;
    for (int r = 0; r < kRows; ++r) {  // the last tile repeats its last row, which is not counted
      rows[r] = scan.rows + (begin + (r < left ? r : left - 1)) * scan.dimension;
    }
    tile<kL2, kRows, kQueries>(rows, queries, scan.dimension, padded, scores);
    for (int r = 0; r < kRows && r < left; ++r) {
      for (int q = 0; q < kQueries && query_begin + q < scan.query_count; ++q) {
        CandidateList& list = scan.candidates[query_begin + q];
        const float score = scores[r * kQueries + q];
        if (score > list.threshold) {
          list.items[list.count++] = {score, scan.row_begin + begin + r};
        }
      }
    }
  }
}

template <bool kL2>
void scan_block(const BlockScan& scan) {
  if (scan.query_count == 1) return scan_tiles<kL2, 4, 1>(scan, 0);
  for (std::int32_t q = 0; q < scan.query_count; q += 2) scan_tiles<kL2, 2, 2>(scan, q);
}

}  // namespace

void scan_block_avx2_product(const BlockScan& scan) { scan_block<false>(scan); }
void scan_block_avx2_l2(const BlockScan& scan) { scan_block<true>(scan); }

}  // namespace rookery::retriever_pool::detail
