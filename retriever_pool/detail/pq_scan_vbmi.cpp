#if defined(__x86_64__)
#include <immintrin.h>

#include "retriever_pool/detail/pq_scan.hpp"

namespace rookery::retriever_pool::detail {
namespace {

void products(const PqProducts& task) {
  for (std::int32_t m = 0; m < task.pq_bytes; ++m) {
    const float* query = task.query + std::int64_t{m} * task.width;
    const float* words = task.codebooks + std::int64_t{m} * task.width * kPqWords;
    float* out = task.products + std::int64_t{m} * kPqWords;
    __m512 sums[16];
#pragma GCC unroll 16
    for (int j = 0; j < 16; ++j) sums[j] = _mm512_setzero_ps();
    for (std::int32_t i = 0; i < task.width; ++i) {
      const __m512 element = _mm512_set1_ps(query[i]);
      const float* row = words + std::int64_t{i} * kPqWords;
#pragma GCC unroll 16
      for (int j = 0; j < 16; ++j) {
        sums[j] = _mm512_fmadd_ps(element, _mm512_load_ps(row + 16 * j), sums[j]);
      }
    }
    __m512 low = sums[0];
    __m512 high = sums[0];
#pragma GCC unroll 16
    for (int j = 0; j < 16; ++j) {
      _mm512_store_ps(out + 16 * j, sums[j]);
      low = _mm512_min_ps(low, sums[j]);
      high = _mm512_max_ps(high, sums[j]);
    }
    task.lows[m] = _mm512_reduce_min_ps(low);
    task.highs[m] = _mm512_reduce_max_ps(high);
  }
}

void round(const PqRounding& task) {
  const __m512 inverse = _mm512_set1_ps(task.inverse);
  const __m512i most = _mm512_set1_epi32(task.level_max);
  for (std::int32_t m = 0; m < task.pq_bytes; ++m) {
    const __m512 low = _mm512_set1_ps(task.lows[m]);
    for (int c = 0; c < kPqWords; c += 16) {
      const std::int64_t at = std::int64_t{m} * kPqWords + c;
      const __m512 product = _mm512_load_ps(task.products + at);
      const __m512i levels = _mm512_min_epi32(
          _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_sub_ps(product, low), inverse)), most);
      _mm_store_si128(reinterpret_cast<__m128i*>(task.tables + at), _mm512_cvtepi32_epi8(levels));
    }
  }
}

struct Survivors {
  float* scores;
  std::int32_t* positions;
  std::int32_t count;
};

// Sixteen rows from their integer sums.
inline void keep_rows(const PqScan& task, __m256i sums, std::int32_t begin, std::int32_t rows,
                      Survivors& kept) {
  const auto valid = static_cast<__mmask16>(rows >= 16 ? 0xFFFFU : (1U << rows) - 1U);
  __m512 scores = _mm512_fmadd_ps(_mm512_cvtepi32_ps(_mm512_cvtepu16_epi32(sums)),
                                  _mm512_set1_ps(task.scale), _mm512_set1_ps(task.bias));
  if (task.terms != nullptr) {
    scores = _mm512_sub_ps(scores, _mm512_maskz_loadu_ps(valid, task.terms + begin));
  }
  const __mmask16 above =
      _mm512_mask_cmp_ps_mask(valid, scores, _mm512_set1_ps(task.threshold), _CMP_GE_OQ);
  if (above == 0) return;
  const __m512i places =
      _mm512_add_epi32(_mm512_set1_epi32(begin),
                       _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));
  // Whole registers are stored: the room behind the last row allows it.
  _mm512_storeu_ps(kept.scores + kept.count, _mm512_maskz_compress_ps(above, scores));
  _mm512_storeu_si512(kept.positions + kept.count, _mm512_maskz_compress_epi32(above, places));
  kept.count += __builtin_popcount(above);
}

// kGroups groups from row `begin` on; only a lone group may be narrower than 64 rows.
template <int kGroups>
inline void scan_groups(const PqScan& task, std::int32_t begin, std::int32_t width,
                        Survivors& kept) {
  const std::uint8_t* codes = task.codes + std::int64_t{begin} * task.pq_bytes;
  const std::int64_t group_bytes = std::int64_t{kPqGroupRows} * task.pq_bytes;
  // Words of two bytes each: `odd` sums the high ones; `both` sums the words, from which the low
  // ones follow modulo 2^16, which they do not reach.
  __m512i both[kGroups];
  __m512i odd[kGroups];
#pragma GCC unroll 4
  for (int g = 0; g < kGroups; ++g) both[g] = odd[g] = _mm512_setzero_si512();
  for (std::int32_t m = 0; m < task.pq_bytes; ++m) {
    const std::uint8_t* table = task.tables + std::int64_t{m} * kPqWords;
    const __m512i quarters[4] = {_mm512_load_si512(table), _mm512_load_si512(table + 64),
                                 _mm512_load_si512(table + 128), _mm512_load_si512(table + 192)};
#pragma GCC unroll 4
    for (int g = 0; g < kGroups; ++g) {
      const __m512i places = _mm512_loadu_si512(codes + g * group_bytes + std::int64_t{m} * width);
      const __m512i below = _mm512_permutex2var_epi8(quarters[0], places, quarters[1]);
      const __m512i upper = _mm512_permutex2var_epi8(quarters[2], places, quarters[3]);
      const __m512i value = _mm512_mask_blend_epi8(_mm512_movepi8_mask(places), below, upper);
      both[g] = _mm512_add_epi16(both[g], value);
      odd[g] = _mm512_add_epi16(odd[g], _mm512_srli_epi16(value, 8));
    }
  }
  alignas(64) static constexpr std::uint16_t kFirst[32] = {
      0, 32, 1, 33, 2,  34, 3,  35, 4,  36, 5,  37, 6,  38, 7,  39,
      8, 40, 9, 41, 10, 42, 11, 43, 12, 44, 13, 45, 14, 46, 15, 47};
  const __m512i first = _mm512_load_si512(kFirst);
  const __m512i second = _mm512_add_epi16(first, _mm512_set1_epi16(16));
#pragma GCC unroll 4
  for (int g = 0; g < kGroups; ++g) {
    const __m512i even = _mm512_sub_epi16(both[g], _mm512_slli_epi16(odd[g], 8));
    const std::int32_t row = begin + g * kPqGroupRows;
    const __m512i halves[2] = {_mm512_permutex2var_epi16(even, first, odd[g]),
                               _mm512_permutex2var_epi16(even, second, odd[g])};
#pragma GCC unroll 4
    for (int quarter = 0; quarter < 4; ++quarter) {
      const std::int32_t left = width - 16 * quarter;
      if (left <= 0) break;
      const __m512i half = halves[quarter / 2];
      const __m256i sums =
          quarter % 2 == 0 ? _mm512_castsi512_si256(half) : _mm512_extracti64x4_epi64(half, 1);
      keep_rows(task, sums, row + 16 * quarter, left, kept);
    }
  }
}

std::int32_t scan(const PqScan& task) {
  Survivors kept{task.scores, task.positions, 0};
  std::int32_t begin = 0;
  for (; begin + 2 * kPqGroupRows <= task.row_count; begin += 2 * kPqGroupRows) {
    scan_groups<2>(task, begin, kPqGroupRows, kept);
  }
  for (; begin < task.row_count; begin += kPqGroupRows) {
    const std::int32_t left = task.row_count - begin;
    scan_groups<1>(task, begin, left < kPqGroupRows ? left : kPqGroupRows, kept);
  }
  return kept.count;
}

}  // namespace

PqKernels pq_kernels_vbmi() { return {products, round, scan}; }

}  // namespace rookery::retriever_pool::detail
#endif
