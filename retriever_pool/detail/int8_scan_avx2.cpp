#include "retriever_pool/detail/int8_scan.hpp"

#include <immintrin.h>

namespace rookery::retriever_pool::detail {
namespace {

inline std::int32_t sum_lanes(__m256i v) {
  __m128i four = _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
  four = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0x4E));
  four = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0xB1));
  return _mm_cvtsi128_si32(four);
}

// Magnitudes times signed bytes: 2 × 128 × 127 fits 16 bits, so that nothing saturates.
inline __m256i add_products(__m256i row, __m256i magnitude, __m256i query, __m256i sum) {
  const __m256i pairs = _mm256_maddubs_epi16(magnitude, _mm256_sign_epi8(query, row));
  return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

template <int kQueries>
void scan_queries(const Int8Scan& scan, std::int32_t begin) {
  const __m256i flip = _mm256_set1_epi8(static_cast<char>(0x80));
  for (std::int64_t r = 0; r < scan.row_count; ++r) {
    const std::uint8_t* row = scan.codes + r * scan.stride;
    const std::int8_t* queries = scan.queries + std::int64_t{begin} * 64;
    __m256i sums[kQueries];
    for (int q = 0; q < kQueries; ++q) sums[q] = _mm256_setzero_si256();
    for (std::int32_t i = 0; i < scan.stride; i += 64) {
      for (int part = 0; part < 64; part += 32) {
        // c + 128 with its top bit turned over is c as a signed byte.
        const __m256i codes = _mm256_xor_si256(
            _mm256_loadu_si256(reinterpret_cast<const __m256i*>(row + i + part)), flip);
        const __m256i magnitude = _mm256_abs_epi8(codes);
        for (int q = 0; q < kQueries; ++q) {
          const auto* query = reinterpret_cast<const __m256i*>(queries + q * 64 + part);
          sums[q] = add_products(codes, magnitude, _mm256_load_si256(query), sums[q]);
        }
      }
      queries += std::int64_t{scan.query_width} * 64;
    }
    for (int j = 0; j < kQueries && begin + j < scan.query_count; ++j) {
      const std::int32_t q = begin + j;
      const auto sum = static_cast<float>(sum_lanes(sums[j]));
      const float key = scan.scales[r] * (scan.query_scales[q] * sum) +
                        scan.query_a[q] * scan.errors[r] + scan.query_b[q] * scan.norms[r] +
                        (scan.extras != nullptr ? scan.extras[r] : 0.0F);
      if (!(key >= scan.limits[q])) continue;
      CandidateList& list = scan.candidates[q];
      list.items[list.count++] = {key, scan.row_begin + r};
    }
  }
}

}  // namespace

void int8_scan_avx2(const Int8Scan& scan) {
  if (scan.query_width == 1) return scan_queries<1>(scan, 0);
  if (scan.query_width == 2) return scan_queries<2>(scan, 0);
  for (std::int32_t q = 0; q < scan.query_count; q += 4) scan_queries<4>(scan, q);
}

}  // namespace rookery::retriever_pool::detail
