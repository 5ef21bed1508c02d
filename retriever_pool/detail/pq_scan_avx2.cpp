#if defined(__x86_64__)
#include <immintrin.h>

#include "retriever_pool/detail/pq_scan.hpp"

namespace rookery::retriever_pool::detail {
namespace {

constexpr int kHalf = 32;  // rows at a time: bytes of a register

inline float lowest(__m256 v) {
  __m128 four = _mm_min_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  four = _mm_min_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_min_ss(four, _mm_shuffle_ps(four, four, 0x55)));
}

inline float highest(__m256 v) {
  __m128 four = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  four = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(four, _mm_shuffle_ps(four, four, 0x55)));
}

void products(const PqProducts& task) {
  for (std::int32_t m = 0; m < task.pq_bytes; ++m) {
    const float* query = task.query + std::int64_t{m} * task.width;
    const float* words = task.codebooks + std::int64_t{m} * task.width * kPqWords;
    float* out = task.products + std::int64_t{m} * kPqWords;
    __m256 low = _mm256_set1_ps(__builtin_inff());
    __m256 high = _mm256_set1_ps(-__builtin_inff());
    for (int c = 0; c < kPqWords; c += 64) {
      __m256 sums[8];
#pragma GCC unroll 8
      for (int j = 0; j < 8; ++j) sums[j] = _mm256_setzero_ps();
      for (std::int32_t i = 0; i < task.width; ++i) {
        const __m256 element = _mm256_set1_ps(query[i]);
        const float* row = words + std::int64_t{i} * kPqWords + c;
#pragma GCC unroll 8
        for (int j = 0; j < 8; ++j) {
          sums[j] = _mm256_fmadd_ps(element, _mm256_load_ps(row + 8 * j), sums[j]);
        }
      }
#pragma GCC unroll 8
      for (int j = 0; j < 8; ++j) {
        _mm256_store_ps(out + c + 8 * j, sums[j]);
        low = _mm256_min_ps(low, sums[j]);
        high = _mm256_max_ps(high, sums[j]);
      }
    }
    task.lows[m] = lowest(low);
    task.highs[m] = highest(high);
  }
}

void round(const PqRounding& task) {
  const __m256 inverse = _mm256_set1_ps(task.inverse);
  const __m256i most = _mm256_set1_epi32(task.level_max);
  // The packs below work within 128-bit lanes; this puts the sixteen-byte pieces in order again.
  const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  for (std::int32_t m = 0; m < task.pq_bytes; ++m) {
    const __m256 low = _mm256_set1_ps(task.lows[m]);
    const std::int64_t begin = std::int64_t{m} * kPqWords;
    for (int c = 0; c < kPqWords; c += kHalf) {
      __m256i levels[4];
      for (int j = 0; j < 4; ++j) {
        const __m256 product = _mm256_load_ps(task.products + begin + c + 8 * j);
        levels[j] = _mm256_min_epi32(
            _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_sub_ps(product, low), inverse)), most);
      }
      const __m256i bytes = _mm256_packus_epi16(_mm256_packs_epi32(levels[0], levels[1]),
                                                _mm256_packs_epi32(levels[2], levels[3]));
      _mm256_store_si256(reinterpret_cast<__m256i*>(task.tables + begin + c),
                         _mm256_permutevar8x32_epi32(bytes, order));
    }
  }
}

// The bytes of 16 × 2^kBits table entries at 32 places: pieces of sixteen by the low half of a
// place, chosen between by the bits of its high half (bits[b] has bit 4 + b on top).
template <int kBits>
inline __m256i look_up(const std::uint8_t* table, __m256i low, const __m256i bits[4]) {
  if constexpr (kBits == 0) {
    return _mm256_shuffle_epi8(
        _mm256_broadcastsi128_si256(_mm_load_si128(reinterpret_cast<const __m128i*>(table))), low);
  } else {
    constexpr int kHalfTable = 16 << (kBits - 1);
    return _mm256_blendv_epi8(look_up<kBits - 1>(table, low, bits),
                              look_up<kBits - 1>(table + kHalfTable, low, bits), bits[kBits - 1]);
  }
}

std::int32_t scan(const PqScan& task) {
  std::int32_t kept = 0;
  const __m256 scale = _mm256_set1_ps(task.scale);
  const __m256 bias = _mm256_set1_ps(task.bias);
  const __m256 threshold = _mm256_set1_ps(task.threshold);
  for (std::int32_t begin = 0; begin < task.row_count; begin += kHalf) {
    const std::int32_t in_group = begin % kPqGroupRows;
    const std::int32_t group_left = task.row_count - (begin - in_group);
    const std::int32_t width = group_left < kPqGroupRows ? group_left : kPqGroupRows;
    const std::uint8_t* codes =
        task.codes + std::int64_t{begin - in_group} * task.pq_bytes + in_group;
    // Words of two bytes each: `odd` sums the high ones; `both` sums the words, from which the low
    // ones follow modulo 2^16, which they do not reach.
    __m256i both = _mm256_setzero_si256();
    __m256i odd = _mm256_setzero_si256();
    for (std::int32_t m = 0; m < task.pq_bytes; ++m) {
      const __m256i places =
          _mm256_loadu_si256(reinterpret_cast<const __m256i*>(codes + std::int64_t{m} * width));
      const __m256i low = _mm256_and_si256(places, _mm256_set1_epi8(0x0F));
      const __m256i bits[4] = {_mm256_slli_epi16(places, 3), _mm256_slli_epi16(places, 2),
                               _mm256_slli_epi16(places, 1), places};
      const __m256i value = look_up<4>(task.tables + std::int64_t{m} * kPqWords, low, bits);
      both = _mm256_add_epi16(both, value);
      odd = _mm256_add_epi16(odd, _mm256_srli_epi16(value, 8));
    }
    const __m256i even = _mm256_sub_epi16(both, _mm256_slli_epi16(odd, 8));
    alignas(32) std::uint16_t sums[kHalf];
    const __m256i first = _mm256_unpacklo_epi16(even, odd);  // rows 0-7 and 16-23
    const __m256i second = _mm256_unpackhi_epi16(even, odd);
    _mm256_store_si256(reinterpret_cast<__m256i*>(sums),
                       _mm256_permute2x128_si256(first, second, 0x20));
    _mm256_store_si256(reinterpret_cast<__m256i*>(sums + 16),
                       _mm256_permute2x128_si256(first, second, 0x31));
    const std::int32_t rows = width - in_group < kHalf ? width - in_group : kHalf;
    for (std::int32_t at = 0; at < rows; at += 8) {
      const __m256i integers =
          _mm256_cvtepu16_epi32(_mm_load_si128(reinterpret_cast<const __m128i*>(sums + at)));
      __m256 scores = _mm256_fmadd_ps(_mm256_cvtepi32_ps(integers), scale, bias);
      const std::int32_t left = rows - at;
      if (task.terms != nullptr) {
        alignas(32) float terms[8] = {};
        for (int j = 0; j < 8 && j < left; ++j) terms[j] = task.terms[begin + at + j];
        scores = _mm256_sub_ps(scores, _mm256_load_ps(terms));
      }
      auto above = static_cast<std::uint32_t>(
          _mm256_movemask_ps(_mm256_cmp_ps(scores, threshold, _CMP_GE_OQ)));
      if (left < 8) above &= (1U << left) - 1U;
      if (above == 0) continue;
      alignas(32) float values[8];
      _mm256_store_ps(values, scores);
      while (above != 0) {
        const int j = __builtin_ctz(above);
        above &= above - 1;
        task.scores[kept] = values[j];
        task.positions[kept++] = begin + at + j;
      }
    }
  }
  return kept;
}

}  // namespace

PqKernels pq_kernels_avx2() { return {products, round, scan}; }

}  // namespace rookery::retriever_pool::detail
#endif
