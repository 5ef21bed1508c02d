#include "retriever_pool/detail/block_scan.hpp"

#include <immintrin.h>

namespace rookery::retriever_pool::detail {
namespace {

constexpr int kPairs = 4;  // of one tile: 2 rows × 2 queries or 4 × 1; two registers a pair

inline __m256 load_row(const float* p) { return _mm256_loadu_ps(p); }
inline __m256 load_row(const std::uint16_t* p) {
  return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}

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

// Pair r * kQueries + q; the queries of a step lie side by side.
template <bool kL2, int kRows, int kQueries, typename Element>
inline void step(const Element* const rows[kRows], std::int64_t row_offset, const float* queries,
                 __m256 low[kPairs], __m256 high[kPairs]) {
#pragma GCC unroll 4
  for (int r = 0; r < kRows; ++r) {
    const __m256 row_low = load_row(rows[r] + row_offset);
    const __m256 row_high = load_row(rows[r] + row_offset + 8);
#pragma GCC unroll 4
    for (int q = 0; q < kQueries; ++q) {
      const float* query = queries + q * kLanes;
      const int j = r * kQueries + q;
      low[j] = accumulate<kL2>(_mm256_load_ps(query), row_low, low[j]);
      high[j] = accumulate<kL2>(_mm256_load_ps(query + 8), row_high, high[j]);
    }
  }
}

// `query_step` is the distance in floats from 16 elements of a query to its next 16.
template <bool kL2, int kRows, int kQueries, typename Element>
inline void tile(const Element* const rows[kRows], const float* queries, std::int64_t query_step,
                 std::int32_t dimension, float scores[kPairs]) {
  __m256 low[kPairs];
  __m256 high[kPairs];
#pragma GCC unroll 4
  for (int j = 0; j < kPairs; ++j) low[j] = high[j] = _mm256_setzero_ps();
  std::int32_t i = 0;
  for (; i + kLanes <= dimension; i += kLanes, queries += query_step) {
    step<kL2, kRows, kQueries>(rows, i, queries, low, high);
  }
  if (i < dimension) {
    alignas(32) Element tails[kRows][kLanes] = {};
    const Element* tail_rows[kRows];
    for (int r = 0; r < kRows; ++r) {
      for (std::int32_t t = i; t < dimension; ++t) tails[r][t - i] = rows[r][t];
      tail_rows[r] = tails[r];
    }
    step<kL2, kRows, kQueries>(tail_rows, 0, queries, low, high);
  }
  for (int j = 0; j < kPairs; ++j) {
    const float sum = reduce(low[j], high[j]);
    scores[j] = kL2 ? -sum : sum;
  }
}

template <bool kL2, int kRows, int kQueries, typename Element>
void scan_tiles(const BlockScan& scan, std::int32_t query_begin) {
  const float* queries = scan.queries + std::int64_t{query_begin} * kLanes;
  const std::int64_t query_step = std::int64_t{kLanes} * scan.query_width;
  float scores[kPairs];
  for (std::int64_t begin = 0; begin < scan.row_count; begin += kRows) {
    const Element* rows[kRows];
    std::int64_t numbers[kRows];
    const std::int64_t left = scan.row_count - begin;
    for (int r = 0; r < kRows; ++r) {  // the last tile repeats its last row, which is not counted
      const std::int64_t at = begin + (r < left ? r : left - 1);
      numbers[r] = scan.taken != nullptr ? scan.taken[at] : at;
      rows[r] = static_cast<const Element*>(scan.rows) + numbers[r] * scan.dimension;
    }
    tile<kL2, kRows, kQueries>(rows, queries, query_step, scan.dimension, scores);
    for (int r = 0; r < kRows && r < left; ++r) {
      for (int q = 0; q < kQueries && query_begin + q < scan.query_count; ++q) {
        CandidateList& list = scan.candidates[query_begin + q];
        const float score = scores[r * kQueries + q];
        if (score > list.threshold) {
          list.items[list.count++] = {score, scan.row_begin + numbers[r]};
        }
      }
    }
  }
}

template <bool kL2, typename Element>
void scan_block(const BlockScan& scan) {
  if (scan.query_width == 1) return scan_tiles<kL2, 4, 1, Element>(scan, 0);
  for (std::int32_t q = 0; q < scan.query_count; q += 2) {
    scan_tiles<kL2, 2, 2, Element>(scan, q);
  }
}

template <bool kL2, typename Element>
void score_rows(const RowScoring& scoring) {
  const auto row_at = [&](std::int64_t i) {
    return static_cast<const Element*>(scoring.rows) +
           std::int64_t{scoring.list[i]} * scoring.dimension;
  };
  float scores[kPairs];
  for (std::int64_t begin = 0; begin < scoring.count; begin += kPairs) {
    const Element* rows[kPairs];
    const std::int64_t left = scoring.count - begin;
    for (int r = 0; r < kPairs; ++r) rows[r] = row_at(begin + (r < left ? r : left - 1));
    for (int r = 0; r < kPairs && left > kPairs + r; ++r) {
      const char* next = reinterpret_cast<const char*>(row_at(begin + kPairs + r));
      const auto bytes = static_cast<std::int64_t>(sizeof(Element)) * scoring.dimension;
      for (std::int64_t at = 0; at < bytes; at += 64) _mm_prefetch(next + at, _MM_HINT_T0);
    }
    tile<kL2, kPairs, 1>(rows, scoring.query, kLanes, scoring.dimension, scores);
    for (int r = 0; r < kPairs && r < left; ++r) scoring.scores[begin + r] = scores[r];
  }
}

template <bool kL2, typename Element>
constexpr Kernels kKernels = {scan_block<kL2, Element>, score_rows<kL2, Element>};

}  // namespace

Kernels kernels_avx2(KernelKind kind) {
  if (kind.half) return kind.l2 ? kKernels<true, std::uint16_t> : kKernels<false, std::uint16_t>;
  return kind.l2 ? kKernels<true, float> : kKernels<false, float>;
}

}  // namespace rookery::retriever_pool::detail
