#include <immintrin.h>

#include "index_tools/faiss/detail/row_distances.hpp"

namespace rookery::index_tools::detail {
namespace {

constexpr int kSums = 4;  // independent sums hide the latency of the additions
constexpr int kWidth = 8;

template <bool kL2>
inline __m256 accumulate(__m256 a, __m256 b, __m256 sum) {
  if constexpr (kL2) {
    const __m256 difference = _mm256_sub_ps(a, b);
    return _mm256_fmadd_ps(difference, difference, sum);
  } else {
    return _mm256_fmadd_ps(a, b, sum);
  }
}

template <bool kL2>
float distance(const float* a, const float* b, std::int64_t dimension) {
  __m256 sums[kSums];
  for (int s = 0; s < kSums; ++s) sums[s] = _mm256_setzero_ps();
  std::int64_t i = 0;
  for (; i + kSums * kWidth <= dimension; i += kSums * kWidth) {
    for (int s = 0; s < kSums; ++s) {
      sums[s] = accumulate<kL2>(_mm256_loadu_ps(a + i + s * kWidth),
                                _mm256_loadu_ps(b + i + s * kWidth), sums[s]);
    }
  }
  for (; i + kWidth <= dimension; i += kWidth) {
    sums[0] = accumulate<kL2>(_mm256_loadu_ps(a + i), _mm256_loadu_ps(b + i), sums[0]);
  }
  const __m256 sum =
      _mm256_add_ps(_mm256_add_ps(sums[0], sums[1]), _mm256_add_ps(sums[2], sums[3]));
  const __m128 half = _mm_add_ps(_mm256_castps256_ps128(sum), _mm256_extractf128_ps(sum, 1));
  const __m128 pair = _mm_add_ps(half, _mm_movehl_ps(half, half));
  float result = _mm_cvtss_f32(_mm_add_ss(pair, _mm_shuffle_ps(pair, pair, 1)));
  for (; i < dimension; ++i) {
    const float step = kL2 ? (a[i] - b[i]) * (a[i] - b[i]) : a[i] * b[i];
    result += step;
  }
  return result;
}

}  // namespace

float row_product_avx2(const float* a, const float* b, std::int64_t dimension) {
  return distance<false>(a, b, dimension);
}

float row_squares_avx2(const float* a, const float* b, std::int64_t dimension) {
  return distance<true>(a, b, dimension);
}

}  // namespace rookery::index_tools::detail
