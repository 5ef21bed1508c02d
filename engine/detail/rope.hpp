#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace rookery::engine::detail {

/// Rotary positions as HF's Llama applies them: the two halves of a head are rotated against each
/// other, pair i by position · theta^(-2i/size). Angles are float products as there; sine and
/// cosine are computed here without the C library, so that every machine gets the same bits.
class RopeTable {
 public:
  /// `size` is even.
  RopeTable(std::int32_t size, float theta);
  /// Makes positions below `count` available; not while another thread rotates.
  void extend(std::int32_t count);
  /// Rotates `heads` heads of `size` floats in place. `position` is below what was extended to.
  void rotate(float* row, std::int32_t heads, std::int32_t position) const;

 private:
  std::int32_t half_;
  std::int32_t count_ = 0;
  std::vector<float> frequencies_;      ///< `[half]`
  std::vector<float> cosines_, sines_;  ///< `[count, half]`
};

/// Sine and cosine of an angle of at most 2^26 in magnitude, within 1e-9, in plain double
/// arithmetic.
struct SineCosine {
  double sine = 0.0, cosine = 1.0;
};
SineCosine sine_cosine(double angle);

}  // namespace rookery::engine::detail
