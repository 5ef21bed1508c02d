#include "retriever_pool/detail/block_scan.hpp"

#include <immintrin.h>

namespace rookery::retriever_pool::detail {
namespace {

constexpr int kPairs = 16;  // accumulators of one tile: 2 rows × 8 queries, 4 × 4, 8 × 2 or 16 × 1
constexpr std::int64_t kAheadBytes = 6144;  // prefetched at least: less does not hide the memory

inline __m512 load_row(const float* p) { return _mm512_loadu_ps(p); }
inline __m512 load_row(const std::uint16_t* p) {
  return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
}

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

// One step of 16 elements: pair r * kQueries + q; the queries of a step lie side by side.
template <bool kL2, int kRows, int kQueries, typename Element>
inline void step(const Element* const rows[kRows], std::int64_t row_offset, const float* queries,
                 __m512 sums[kPairs]) {
  __m512 row[kRows];
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) row[r] = load_row(rows[r] + row_offset);
#pragma GCC unroll 16
  for (int q = 0; q < kQueries; ++q) {
    __m512 query = _mm512_load_ps(queries + q * kLanes);
    // Without this GCC loads the query again for every row, and loads are what is scarce.
    asm("" : "+v"(query));
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
      sums[r * kQueries + q] = accumulate<kL2>(query, row[r], sums[r * kQueries + q]);
    }
  }
}

// One tile of kRows × kQueries ≤ 16 pairs. `ahead[r]` is what row r of a later tile will read;
// `query_step` the distance in floats from 16 elements of a query to its next 16.
template <bool kL2, int kRows, int kQueries, typename Element>
inline __m512 tile(const Element* const rows[kRows], const Element* const ahead[kRows],
                   const float* queries, std::int64_t query_step, std::int32_t dimension) {
  __m512 sums[kPairs];
#pragma GCC unroll 16
  for (int j = 0; j < kPairs; ++j) sums[j] = _mm512_setzero_ps();
  std::int32_t i = 0;
  if constexpr (kRows == kPairs) {
    // One query waits for memory, which gives two streams 10 % more than sixteen.
#pragma GCC unroll 16
    for (int r = 0; r < kRows; r += 2) {
      __m512 low = _mm512_setzero_ps();
      __m512 high = _mm512_setzero_ps();
      const float* query = queries;
      for (i = 0; i + kLanes <= dimension; i += kLanes, query += kLanes) {
        _mm_prefetch(reinterpret_cast<const char*>(ahead[r] + i), _MM_HINT_T0);
        _mm_prefetch(reinterpret_cast<const char*>(ahead[r + 1] + i), _MM_HINT_T0);
        const __m512 q = _mm512_load_ps(query);
        low = accumulate<kL2>(q, load_row(rows[r] + i), low);
        high = accumulate<kL2>(q, load_row(rows[r + 1] + i), high);
      }
      sums[r] = low;
      sums[r + 1] = high;
    }
    queries += i / kLanes * query_step;
  } else {
    for (; i + kLanes <= dimension; i += kLanes, queries += query_step) {
#pragma GCC unroll 16
      for (int r = 0; r < kRows; ++r) {
        _mm_prefetch(reinterpret_cast<const char*>(ahead[r] + i), _MM_HINT_T0);
      }
      step<kL2, kRows, kQueries>(rows, i, queries, sums);
    }
  }
  if (i < dimension) {
    alignas(64) Element tails[kRows][kLanes] = {};
    const Element* tail_rows[kRows];
    for (int r = 0; r < kRows; ++r) {
      for (std::int32_t t = i; t < dimension; ++t) tails[r][t - i] = rows[r][t];
      tail_rows[r] = tails[r];
    }
    step<kL2, kRows, kQueries>(tail_rows, 0, queries, sums);
  }
  const __m512 scores = reduce(sums);
  if constexpr (kL2) {
    const __m512i sign = _mm512_set1_epi32(static_cast<int>(0x80000000U));
    return _mm512_castsi512_ps(_mm512_xor_si512(_mm512_castps_si512(scores), sign));
  } else {
    return scores;
  }
}

// The rows of a block, and those that are prefetched.
template <int kRows, typename Element>
class Tiles {
 public:
  explicit Tiles(const BlockScan& scan) : scan_(scan) {
    const std::int64_t bytes = scan.dimension * static_cast<std::int64_t>(sizeof(Element));
    ahead_ = (kAheadBytes + bytes - 1) / bytes;
    // A tile of sixteen rows reads them two by two, others all at once.
    constexpr int kTogether = kRows == kPairs ? 2 : kRows;
    ahead_ = (ahead_ + kTogether - 1) / kTogether * kTogether;
  }

  // Row `at` of those that count; behind the last comes the last again, which is not counted.
  [[nodiscard]] std::int64_t number(std::int64_t at) const {
    if (at >= scan_.row_count) at = scan_.row_count - 1;
    return scan_.taken != nullptr ? scan_.taken[at] : at;
  }
  [[nodiscard]] const Element* vector(std::int64_t row) const {
    return static_cast<const Element*>(scan_.rows) + row * scan_.dimension;
  }
  [[nodiscard]] const Element* ahead(std::int64_t at) const {
    const auto* next = static_cast<const Element*>(scan_.next_rows);
    if (next == nullptr || scan_.taken != nullptr) return vector(number(at + ahead_));
    if (scan_.passes > 1 && at / kRows % scan_.passes == scan_.pass) {
      return next + at * scan_.dimension;
    }
    at += ahead_;
    return at < scan_.row_count ? vector(at) : next + (at - scan_.row_count) * scan_.dimension;
  }

 private:
  const BlockScan& scan_;
  std::int64_t ahead_;
};

template <bool kL2, int kRows, int kQueries, typename Element>
void scan_tiles(const BlockScan& scan) {
  const std::int64_t query_step = std::int64_t{kLanes} * kQueries;
  alignas(64) float thresholds[kPairs];
  for (int j = 0; j < kPairs; ++j) {
    const int q = j % kQueries;
    thresholds[j] = q < scan.query_count ? scan.candidates[q].threshold : __builtin_inff();
  }
  const __m512 limit = _mm512_load_ps(thresholds);
  const Tiles<kRows, Element> tiles(scan);
  alignas(64) float scores[kPairs];
  for (std::int64_t begin = 0; begin < scan.row_count; begin += kRows) {
    const Element* rows[kRows];
    const Element* ahead[kRows];
    std::int64_t numbers[kRows];
    for (int r = 0; r < kRows; ++r) {
      numbers[r] = tiles.number(begin + r);
      rows[r] = tiles.vector(numbers[r]);
      ahead[r] = tiles.ahead(begin + r);
    }
    const __m512 result =
        tile<kL2, kRows, kQueries>(rows, ahead, scan.queries, query_step, scan.dimension);
    std::uint32_t above = _mm512_cmp_ps_mask(result, limit, _CMP_GT_OQ);
    const std::int64_t left = scan.row_count - begin;
    if (left < kRows) above &= (1U << (left * kQueries)) - 1U;
    if (above == 0) continue;
    _mm512_store_ps(scores, result);
    while (above != 0) {  // rising j: rows rise within each query
      const int j = __builtin_ctz(above);
      above &= above - 1;
      CandidateList& list = scan.candidates[j % kQueries];
      list.items[list.count++] = {scores[j], scan.row_begin + numbers[j / kQueries]};
    }
  }
}

template <bool kL2, typename Element>
void scan_block(const BlockScan& scan) {
  if (scan.query_width == 1) return scan_tiles<kL2, 16, 1, Element>(scan);
  if (scan.query_width == 2) return scan_tiles<kL2, 8, 2, Element>(scan);
  if (scan.query_width == 4) return scan_tiles<kL2, 4, 4, Element>(scan);
  scan_tiles<kL2, 2, 8, Element>(scan);
}

// kRows rows of a list; while they are read, those that follow are prefetched.
template <bool kL2, int kRows, typename Element>
inline void score_tile(const RowScoring& scoring, std::int64_t begin) {
  const Element* rows[kRows];
  const Element* ahead[kRows];
  for (int r = 0; r < kRows; ++r) {
    const std::int64_t last = scoring.count - 1;
    const std::int64_t at = begin + r < last ? begin + r : last;
    const std::int64_t next = begin + kRows + r < last ? begin + kRows + r : last;
    const auto* base = static_cast<const Element*>(scoring.rows);
    rows[r] = base + std::int64_t{scoring.list[at]} * scoring.dimension;
    ahead[r] = base + std::int64_t{scoring.list[next]} * scoring.dimension;
  }
  const __m512 result = tile<kL2, kRows, 1>(rows, ahead, scoring.query, kLanes, scoring.dimension);
  const std::int64_t left = scoring.count - begin;
  const int count = left < kRows ? static_cast<int>(left) : kRows;
  _mm512_mask_storeu_ps(scoring.scores + begin, static_cast<__mmask16>((1U << count) - 1U), result);
}

template <bool kL2, typename Element>
void score_rows(const RowScoring& scoring) {
  std::int64_t begin = 0;
  for (; scoring.count - begin > 4; begin += 8) score_tile<kL2, 8, Element>(scoring, begin);
  for (; begin < scoring.count; begin += 4) score_tile<kL2, 4, Element>(scoring, begin);
}

template <bool kL2, typename Element>
constexpr Kernels kKernels = {scan_block<kL2, Element>, score_rows<kL2, Element>};

}  // namespace

Kernels kernels_avx512(KernelKind kind) {
  if (kind.half) return kind.l2 ? kKernels<true, std::uint16_t> : kKernels<false, std::uint16_t>;
  return kind.l2 ? kKernels<true, float> : kKernels<false, float>;
}

}  // namespace rookery::retriever_pool::detail
