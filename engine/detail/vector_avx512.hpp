#pragma once

#if defined(__AVX512F__) && defined(__AVX512DQ__) && defined(__AVX512VL__)
#include <immintrin.h>

namespace rookery::engine::detail::avx512 {

/// Sixteen float32 lanes in one AVX-512 register. See `plain::Vector` for what each operation
/// means.
struct Vector {
  __m512 all;

  static constexpr int kTileRows = 12;  // 12 × 2 accumulators + 2 weights + broadcasts of 32
  static constexpr int kTileVectors = 2;

  static Vector broadcast(float value) { return {_mm512_set1_ps(value)}; }
  static Vector load(const float* from) { return {_mm512_loadu_ps(from)}; }
  static __mmask16 mask(int count) { return static_cast<__mmask16>((1U << count) - 1U); }
  static Vector load_first(const float* from, int count) {
    return {_mm512_maskz_loadu_ps(mask(count), from)};
  }
  void store(float* to) const { _mm512_storeu_ps(to, all); }
  void store_first(float* to, int count) const { _mm512_mask_storeu_ps(to, mask(count), all); }
  friend Vector operator+(const Vector& a, const Vector& b) {
    return {_mm512_add_ps(a.all, b.all)};
  }
  friend Vector operator-(const Vector& a, const Vector& b) {
    return {_mm512_sub_ps(a.all, b.all)};
  }
  friend Vector operator*(const Vector& a, const Vector& b) {
    return {_mm512_mul_ps(a.all, b.all)};
  }
  friend Vector operator/(const Vector& a, const Vector& b) {
    return {_mm512_div_ps(a.all, b.all)};
  }
  static Vector fma(const Vector& a, const Vector& b, const Vector& c) {
    return {_mm512_fmadd_ps(a.all, b.all, c.all)};
  }
  static Vector max(const Vector& a, const Vector& b) { return {_mm512_max_ps(a.all, b.all)}; }
  static Vector min(const Vector& a, const Vector& b) { return {_mm512_min_ps(a.all, b.all)}; }
  static Vector if_less(const Vector& x, const Vector& y, const Vector& a, const Vector& b) {
    return {_mm512_mask_blend_ps(_mm512_cmp_ps_mask(x.all, y.all, _CMP_LT_OQ), b.all, a.all)};
  }
  static Vector add_exponent(const Vector& value, const Vector& count) {
    return {_mm512_castsi512_ps(_mm512_add_epi32(
        _mm512_castps_si512(value.all), _mm512_slli_epi32(_mm512_castps_si512(count.all), 23)))};
  }
};

}  // namespace rookery::engine::detail::avx512
#endif
