#pragma once

#include <cstdint>
#include <cstring>

namespace rookery::engine::detail::plain {

/// Sixteen float32 lanes in plain C++: the twin that every CPU runs, and what the other two must
/// equal bit for bit. Only operations with one IEEE result (and no reductions) are offered.
struct Vector {
  float lane[16];

  static constexpr int kTileRows = 4;     ///< rows of the matrix product's micro-kernel
  static constexpr int kTileVectors = 1;  ///< its columns, in vectors

  static Vector broadcast(float value) {
    Vector out;
    for (float& x : out.lane) x = value;
    return out;
  }
  static Vector load(const float* from) {
    Vector out;
    std::memcpy(out.lane, from, sizeof out.lane);
    return out;
  }
  /// Lanes from `count` on are 0.
  static Vector load_first(const float* from, int count) {
    Vector out = broadcast(0.0F);
    std::memcpy(out.lane, from, sizeof(float) * static_cast<unsigned>(count));
    return out;
  }
  void store(float* to) const { std::memcpy(to, lane, sizeof lane); }
  void store_first(float* to, int count) const {
    std::memcpy(to, lane, sizeof(float) * static_cast<unsigned>(count));
  }

  template <class F>
  static Vector map(const Vector& a, const Vector& b, F f) {
    Vector out;
    for (int i = 0; i < 16; ++i) out.lane[i] = f(a.lane[i], b.lane[i]);
    return out;
  }
  friend Vector operator+(const Vector& a, const Vector& b) {
    return map(a, b, [](float x, float y) { return x + y; });
  }
  friend Vector operator-(const Vector& a, const Vector& b) {
    return map(a, b, [](float x, float y) { return x - y; });
  }
  friend Vector operator*(const Vector& a, const Vector& b) {
    return map(a, b, [](float x, float y) { return x * y; });
  }
  friend Vector operator/(const Vector& a, const Vector& b) {
    return map(a, b, [](float x, float y) { return x / y; });
  }
  /// a · b + c, rounded once.
  static Vector fma(const Vector& a, const Vector& b, const Vector& c) {
    Vector out;
    for (int i = 0; i < 16; ++i) out.lane[i] = __builtin_fmaf(a.lane[i], b.lane[i], c.lane[i]);
    return out;
  }
  /// The second operand when either is NaN, as x86 does it.
  static Vector max(const Vector& a, const Vector& b) {
    return map(a, b, [](float x, float y) { return x > y ? x : y; });
  }
  static Vector min(const Vector& a, const Vector& b) {
    return map(a, b, [](float x, float y) { return x < y ? x : y; });
  }
  /// Lane by lane: x < y ? a : b.
  static Vector if_less(const Vector& x, const Vector& y, const Vector& a, const Vector& b) {
    Vector out;
    for (int i = 0; i < 16; ++i) out.lane[i] = x.lane[i] < y.lane[i] ? a.lane[i] : b.lane[i];
    return out;
  }
  /// Adds (bits of `count`) << 23 to the bits of `value`: value · 2^n when the low bits of `count`
  /// hold n and no exponent overflows.
  static Vector add_exponent(const Vector& value, const Vector& count) {
    Vector out;
    for (int i = 0; i < 16; ++i) {
      std::uint32_t v;
      std::uint32_t n;
      std::memcpy(&v, &value.lane[i], 4);
      std::memcpy(&n, &count.lane[i], 4);
      v += n << 23;
      std::memcpy(&out.lane[i], &v, 4);
    }
    return out;
  }
};

}  // namespace rookery::engine::detail::plain
