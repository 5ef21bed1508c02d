#pragma once

namespace rookery::engine::detail {

// Functions over sixteen lanes, written once for the three vector types, so that all instruction
// sets round at the same places. The polynomials were fitted for this file (least maximum error).

/// ((0+8)+(4+12)) + … : halves are added until one lane is left, always in this order.
template <class V>
inline float sum_lanes(const V& vector) {
  float lane[16];
  vector.store(lane);
  for (int width = 8; width > 0; width /= 2) {
    for (int i = 0; i < width; ++i) lane[i] = lane[i] + lane[i + width];
  }
  return lane[0];
}

/// e^x within 2e-7 relative; 0 below -87, and x above 88 counts as 88.
template <class V>
inline V exp(const V& x) {
  const V magic = V::broadcast(12582912.0F);  // 1.5 · 2^23: adding it rounds to an integer
  const V bounded = V::min(V::max(x, V::broadcast(-87.0F)), V::broadcast(88.0F));
  const V shifted = V::fma(bounded, V::broadcast(1.44269504F), magic);
  const V whole = shifted - magic;
  V rest = V::fma(whole, V::broadcast(-0.693147182F), bounded);
  rest = V::fma(whole, V::broadcast(1.90465421e-9F), rest);
  V p = V::broadcast(1.39507256e-3F);
  p = V::fma(p, rest, V::broadcast(8.36902484e-3F));
  p = V::fma(p, rest, V::broadcast(4.16662022e-2F));
  p = V::fma(p, rest, V::broadcast(1.66665182e-1F));
  p = V::fma(p, rest, V::broadcast(0.5F));
  p = V::fma(p, rest * rest, rest) + V::broadcast(1.0F);
  return V::if_less(x, V::broadcast(-87.0F), V::broadcast(0.0F), V::add_exponent(p, shifted));
}

/// erfc(t) for t ≥ 0 within 6e-8, as e^p(t); beyond 5 it stays at 3e-12.
template <class V>
inline V erfc(const V& t) {
  const V bounded = V::min(t, V::broadcast(5.0F));
  V p = V::broadcast(8.0436703e-6F);
  p = V::fma(p, bounded, V::broadcast(-1.06025320e-4F));
  p = V::fma(p, bounded, V::broadcast(5.87945979e-4F));
  p = V::fma(p, bounded, V::broadcast(-1.57675147e-3F));
  p = V::fma(p, bounded, V::broadcast(5.87725081e-5F));
  p = V::fma(p, bounded, V::broadcast(1.92171484e-2F));
  p = V::fma(p, bounded, V::broadcast(-1.02799214e-1F));
  p = V::fma(p, bounded, V::broadcast(-6.36616111e-1F));
  p = V::fma(p, bounded, V::broadcast(-1.12837934F));
  return exp(p * bounded);
}

/// x · Φ(x), the exact (erf) form: erfc keeps the small tail of negative x.
template <class V>
inline V gelu(const V& x) {
  const V zero = V::broadcast(0.0F);
  const V half_tail = erfc(V::max(x, zero - x) * V::broadcast(0.707106781F)) * V::broadcast(0.5F);
  return x * V::if_less(x, zero, half_tail, V::broadcast(1.0F) - half_tail);
}

/// x / (1 + e^-x).
template <class V>
inline V silu(const V& x) {
  return x / (V::broadcast(1.0F) + exp(V::broadcast(0.0F) - x));
}

}  // namespace rookery::engine::detail
