#include "retriever_pool/detail/int8_scan.hpp"

#include <immintrin.h>

namespace rookery::retriever_pool::detail {
namespace {

constexpr int kPairs = 16;  // accumulators of one tile: 2 rows × 8 queries, 4 × 4, 8 × 2 or 16 × 1
constexpr std::int64_t kAheadBytes = 12288;  // prefetched: less does not hide the memory

// Sums the 16 lanes of 16 accumulators; lane j of the result belongs to accumulator j.
inline __m512i reduce(const __m512i a[kPairs]) {
  __m512i b[8];
  for (int j = 0; j < 8; ++j) {
    b[j] = _mm512_add_epi32(_mm512_shuffle_i32x4(a[j], a[j + 8], 0x44),
                            _mm512_shuffle_i32x4(a[j], a[j + 8], 0xEE));
  }
  __m512i c[4];
  for (int j = 0; j < 4; ++j) {
    c[j] = _mm512_add_epi32(_mm512_shuffle_i32x4(b[j], b[j + 4], 0x88),
                            _mm512_shuffle_i32x4(b[j], b[j + 4], 0xDD));
  }
  __m512i d[2];
  for (int j = 0; j < 2; ++j) {
    d[j] = _mm512_add_epi32(_mm512_unpacklo_epi64(c[j], c[j + 2]),
                            _mm512_unpackhi_epi64(c[j], c[j + 2]));
  }
  const __m512 low = _mm512_castsi512_ps(d[0]);
  const __m512 high = _mm512_castsi512_ps(d[1]);
  const __m512i e = _mm512_add_epi32(_mm512_castps_si512(_mm512_shuffle_ps(low, high, 0x88)),
                                     _mm512_castps_si512(_mm512_shuffle_ps(low, high, 0xDD)));
  // Block b of e holds accumulators {0, 8, 4, 12}[b] + {0, 2, 1, 3}.
  const __m512i order = _mm512_setr_epi32(0, 2, 1, 3, 8, 10, 9, 11, 4, 6, 5, 7, 12, 14, 13, 15);
  return _mm512_permutexvar_epi32(order, e);
}

template <int kRows, int kQueries>
inline __m512i tile(const std::uint8_t* const rows[kRows], const std::int8_t* queries,
                    std::int32_t stride) {
  __m512i sums[kPairs];
#pragma GCC unroll 16
  for (int j = 0; j < kPairs; ++j) sums[j] = _mm512_setzero_si512();
  for (std::int32_t i = 0; i < stride; i += 64, queries += kQueries * 64) {
    __m512i row[kRows];
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
      row[r] = _mm512_loadu_si512(rows[r] + i);
      _mm_prefetch(reinterpret_cast<const char*>(rows[r] + i + kAheadBytes), _MM_HINT_T0);
    }
#pragma GCC unroll 16
    for (int q = 0; q < kQueries; ++q) {
      __m512i query = _mm512_load_si512(queries + q * 64);
      asm("" : "+v"(query));  // else GCC loads it again for every row
#pragma GCC unroll 16
      for (int r = 0; r < kRows; ++r) {
        sums[r * kQueries + q] = _mm512_dpbusd_epi32(sums[r * kQueries + q], row[r], query);
      }
    }
  }
  return reduce(sums);
}

// The value of lane j's row, of those that begin at `values`.
template <int kQueries>
inline __m512 spread_rows(const float* values, __mmask16 rows) {
  const __m512 loaded = _mm512_maskz_loadu_ps(rows, values);
  if constexpr (kQueries == 1) return loaded;
  const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  constexpr unsigned kShift = kQueries == 2 ? 1 : kQueries == 4 ? 2 : 3;
  return _mm512_permutexvar_ps(_mm512_srli_epi32(lane, kShift), loaded);
}

template <int kRows, int kQueries>
void scan_tiles(const Int8Scan& scan) {
  const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  const __m512i query_of = _mm512_and_si512(lane, _mm512_set1_epi32(kQueries - 1));
  const auto spread = [&](const float* values) {
    return _mm512_permutexvar_ps(query_of, _mm512_castps256_ps512(_mm256_loadu_ps(values)));
  };
  const __m512 query_scale = spread(scan.query_scales);
  const __m512 query_a = spread(scan.query_a);
  const __m512 query_b = spread(scan.query_b);
  const __m512 limit = spread(scan.limits);
  const __m512i offset = _mm512_permutexvar_epi32(
      query_of, _mm512_castsi256_si512(
                    _mm256_loadu_si256(reinterpret_cast<const __m256i*>(scan.query_offsets))));
  const auto counted = _mm512_cmplt_epi32_mask(query_of, _mm512_set1_epi32(scan.query_count));
  alignas(64) float keys[kPairs];
  for (std::int64_t begin = 0; begin < scan.row_count; begin += kRows) {
    const std::uint8_t* rows[kRows];
    const std::int64_t left = scan.row_count - begin;
    for (int r = 0; r < kRows; ++r) {  // the last tile repeats its last row, which is not counted
      rows[r] = scan.codes + (begin + (r < left ? r : left - 1)) * scan.stride;
    }
    const __m512i sums = tile<kRows, kQueries>(rows, scan.queries, scan.stride);
    const int row_count = left < kRows ? static_cast<int>(left) : kRows;
    const auto row_mask = static_cast<__mmask16>((1U << row_count) - 1U);
    const __m512 product =
        _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_add_epi32(sums, offset)), query_scale);
    __m512 key = scan.extras != nullptr ? spread_rows<kQueries>(scan.extras + begin, row_mask)
                                        : _mm512_setzero_ps();
    key = _mm512_fmadd_ps(query_b, spread_rows<kQueries>(scan.norms + begin, row_mask), key);
    key = _mm512_fmadd_ps(query_a, spread_rows<kQueries>(scan.errors + begin, row_mask), key);
    key = _mm512_fmadd_ps(product, spread_rows<kQueries>(scan.scales + begin, row_mask), key);
    std::uint32_t kept = _mm512_mask_cmp_ps_mask(counted, key, limit, _CMP_GE_OQ);
    if (left < kRows) kept &= (1U << (row_count * kQueries)) - 1U;
    if (kept == 0) continue;
    _mm512_store_ps(keys, key);
    while (kept != 0) {
      const int j = __builtin_ctz(kept);
      kept &= kept - 1;
      CandidateList& list = scan.candidates[j % kQueries];
      list.items[list.count++] = {keys[j], scan.row_begin + begin + j / kQueries};
    }
  }
}

}  // namespace

void int8_scan_avx512(const Int8Scan& scan) {
  if (scan.query_width == 1) return scan_tiles<16, 1>(scan);
  if (scan.query_width == 2) return scan_tiles<8, 2>(scan);
  if (scan.query_width == 4) return scan_tiles<4, 4>(scan);
  scan_tiles<2, 8>(scan);
}

}  // namespace rookery::retriever_pool::detail
