#include "retriever_pool/detail/byte_dots.hpp"

#include <immintrin.h>

namespace rookery::retriever_pool::detail {
namespace {

constexpr std::int64_t kAhead = 4;  // rows whose lines are on their way while one is summed

inline void fetch(const std::uint8_t* row, std::int64_t stride) {
  for (std::int64_t j = 0; j < stride; j += 64) {
    _mm_prefetch(reinterpret_cast<const char*>(row + j), _MM_HINT_T0);
  }
}

// The bytes are widened first: `maddubs` would saturate at 255 × 127 × 2.
inline __m256i step(const std::uint8_t* row, const std::int8_t* query, __m256i sum) {
  const __m256i r = _mm256_cvtepu8_epi16(_mm_load_si128(reinterpret_cast<const __m128i*>(row)));
  const __m256i q = _mm256_cvtepi8_epi16(_mm_load_si128(reinterpret_cast<const __m128i*>(query)));
  return _mm256_add_epi32(sum, _mm256_madd_epi16(r, q));
}

}  // namespace

void byte_dots_avx2(const ByteDots& work) {
  for (std::int64_t i = 0; i < work.count && i < kAhead; ++i) {
    fetch(work.codes + work.rows[i] * work.stride, work.stride);
  }
  for (std::int64_t i = 0; i < work.count; ++i) {
    if (i + kAhead < work.count) {
      fetch(work.codes + work.rows[i + kAhead] * work.stride, work.stride);
    }
    const std::uint8_t* row = work.codes + work.rows[i] * work.stride;
    __m256i a = _mm256_setzero_si256(), b = a, c = a, d = a;
    for (std::int64_t j = 0; j < work.stride; j += 64) {
      a = step(row + j, work.query + j, a);
      b = step(row + j + 16, work.query + j + 16, b);
      c = step(row + j + 32, work.query + j + 32, c);
      d = step(row + j + 48, work.query + j + 48, d);
    }
    const __m256i sum = _mm256_add_epi32(_mm256_add_epi32(a, b), _mm256_add_epi32(c, d));
    __m128i half = _mm_add_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1));
    half = _mm_add_epi32(half, _mm_shuffle_epi32(half, 0x4E));
    half = _mm_add_epi32(half, _mm_shuffle_epi32(half, 0xB1));
    // Wraps as the widened sum does, so that the difference is right even where the sum is not.
    work.dots[i] = static_cast<std::int32_t>(static_cast<std::uint32_t>(_mm_cvtsi128_si32(half)) -
                                             static_cast<std::uint32_t>(work.offset));
  }
}

}  // namespace rookery::retriever_pool::detail
