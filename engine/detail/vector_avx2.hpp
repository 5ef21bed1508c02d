#pragma once

#if defined(__AVX2__) && defined(__FMA__)
#include <immintrin.h>

namespace rookery::engine::detail::avx2 {

/// Sixteen float32 lanes in two AVX2 registers. See `plain::Vector` for what each operation means.
struct Vector {
  __m256 low, high;

  static constexpr int kTileRows = 6;  // 6 × 2 accumulators + 2 weights + 1 broadcast of 16
  static constexpr int kTileVectors = 1;

  static Vector broadcast(float value) { return {_mm256_set1_ps(value), _mm256_set1_ps(value)}; }
  static Vector load(const float* from) {
    return {_mm256_loadu_ps(from), _mm256_loadu_ps(from + 8)};
  }
  static __m256i mask(int count) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(count), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  }
  static Vector load_first(const float* from, int count) {
    return {_mm256_maskload_ps(from, mask(count)), _mm256_maskload_ps(from + 8, mask(count - 8))};
  }
  void store(float* to) const {
    _mm256_storeu_ps(to, low);
    _mm256_storeu_ps(to + 8, high);
  }
  void store_first(float* to, int count) const {
    _mm256_maskstore_ps(to, mask(count), low);
    _mm256_maskstore_ps(to + 8, mask(count - 8), high);
  }
  friend Vector operator+(const Vector& a, const Vector& b) {
    return {_mm256_add_ps(a.low, b.low), _mm256_add_ps(a.high, b.high)};
  }
  friend Vector operator-(const Vector& a, const Vector& b) {
    return {_mm256_sub_ps(a.low, b.low), _mm256_sub_ps(a.high, b.high)};
  }
  friend Vector operator*(const Vector& a, const Vector& b) {
    return {_mm256_mul_ps(a.low, b.low), _mm256_mul_ps(a.high, b.high)};
  }
  friend Vector operator/(const Vector& a, const Vector& b) {
    return {_mm256_div_ps(a.low, b.low), _mm256_div_ps(a.high, b.high)};
  }
  static Vector fma(const Vector& a, const Vector& b, const Vector& c) {
    return {_mm256_fmadd_ps(a.low, b.low, c.low), _mm256_fmadd_ps(a.high, b.high, c.high)};
  }
  static Vector max(const Vector& a, const Vector& b) {
    return {_mm256_max_ps(a.low, b.low), _mm256_max_ps(a.high, b.high)};
  }
  static Vector min(const Vector& a, const Vector& b) {
    return {_mm256_min_ps(a.low, b.low), _mm256_min_ps(a.high, b.high)};
  }
  static Vector if_less(const Vector& x, const Vector& y, const Vector& a, const Vector& b) {
    return {_mm256_blendv_ps(b.low, a.low, _mm256_cmp_ps(x.low, y.low, _CMP_LT_OQ)),
            _mm256_blendv_ps(b.high, a.high, _mm256_cmp_ps(x.high, y.high, _CMP_LT_OQ))};
  }
  static __m256 add_exponent(__m256 value, __m256 count) {
    return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(value),
                                                _mm256_slli_epi32(_mm256_castps_si256(count), 23)));
  }
  static Vector add_exponent(const Vector& value, const Vector& count) {
    return {add_exponent(value.low, count.low), add_exponent(value.high, count.high)};
  }
};

}  // namespace rookery::engine::detail::avx2
#endif
