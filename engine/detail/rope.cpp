#include "engine/detail/rope.hpp"

#include <cmath>

namespace rookery::engine::detail {

SineCosine sine_cosine(double angle) {
  // angle = quarter · π/2 + rest. The first part of π/2 has 33 bits, so that its product with
  // quarter, below 2^20 for all positions we meet, is exact.
  constexpr double kHalfPiHigh = 0x1.921fb544p+0;
  constexpr double kHalfPiLow = 0x1.0b4611a626331p-34;
  constexpr double kTwoOverPi = 0.63661977236758134308;
  const double quarter = std::nearbyint(angle * kTwoOverPi);
  const double rest = (angle - quarter * kHalfPiHigh) - quarter * kHalfPiLow;
  const double square = rest * rest;
  // Taylor's series: for |rest| ≤ π/4 the first term left out is below 1e-13.
  double sine = 1.0 / 6227020800.0;
  sine = sine * square - 1.0 / 39916800.0;
  sine = sine * square + 1.0 / 362880.0;
  sine = sine * square - 1.0 / 5040.0;
  sine = sine * square + 1.0 / 120.0;
  sine = sine * square - 1.0 / 6.0;
  sine = rest + rest * square * sine;
  double cosine = -1.0 / 87178291200.0;
  cosine = cosine * square + 1.0 / 479001600.0;
  cosine = cosine * square - 1.0 / 3628800.0;
  cosine = cosine * square + 1.0 / 40320.0;
  cosine = cosine * square - 1.0 / 720.0;
  cosine = cosine * square + 1.0 / 24.0;
  cosine = 1.0 - 0.5 * square + square * square * cosine;
  switch (static_cast<std::int64_t>(quarter) & 3) {
    case 0:
      return {sine, cosine};
    case 1:
      return {cosine, -sine};
    case 2:
      return {-sine, -cosine};
    default:
      return {-cosine, sine};
  }
}

RopeTable::RopeTable(std::int32_t size, float theta) : half_(size / 2) {
  for (std::int32_t i = 0; i < half_; ++i) {
    const float power =
        static_cast<float>(std::pow(static_cast<double>(theta), static_cast<double>(2 * i) / size));
    frequencies_.push_back(1.0F / power);
  }
}

void RopeTable::extend(std::int32_t count) {
  if (count <= count_) return;
  const auto size = static_cast<std::size_t>(count) * static_cast<std::size_t>(half_);
  cosines_.reserve(size);
  sines_.reserve(size);
  for (; count_ < count; ++count_) {
    for (const float frequency : frequencies_) {
      const auto angle = sine_cosine(static_cast<float>(count_) * frequency);
      cosines_.push_back(static_cast<float>(angle.cosine));
      sines_.push_back(static_cast<float>(angle.sine));
    }
  }
}

void RopeTable::rotate(float* row, std::int32_t heads, std::int32_t position) const {
  const auto at = static_cast<std::size_t>(position) * static_cast<std::size_t>(half_);
  const float* cosine = cosines_.data() + at;
  const float* sine = sines_.data() + at;
  for (std::int32_t head = 0; head < heads; ++head) {
    float* low = row + static_cast<std::size_t>(head) * 2 * static_cast<std::size_t>(half_);
    float* high = low + half_;
    for (std::int32_t i = 0; i < half_; ++i) {
      const float first = low[i];
      const float second = high[i];
      low[i] = first * cosine[i] - second * sine[i];
      high[i] = second * cosine[i] + first * sine[i];
    }
  }
}

}  // namespace rookery::engine::detail
