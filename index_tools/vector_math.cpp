#include "index_tools/vector_math.hpp"

#include <bit>
#include <cmath>

namespace rookery::index_tools {

std::int64_t normalise_rows(std::span<float> vectors, std::int32_t dimension) {
  std::int64_t zero_row = -1;
  const auto width = static_cast<std::size_t>(dimension);
  for (std::size_t begin = 0; begin + width <= vectors.size(); begin += width) {
    const std::span<float> row = vectors.subspan(begin, width);
    double squares = 0;
    for (const float x : row) squares += static_cast<double>(x) * static_cast<double>(x);
    if (squares == 0) {
      if (zero_row < 0) zero_row = static_cast<std::int64_t>(begin / width);
      continue;
    }
    const double length = std::sqrt(squares);
    for (float& x : row) x = static_cast<float>(static_cast<double>(x) / length);
  }
  return zero_row;
}

std::uint16_t to_half(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const auto sign = static_cast<std::uint32_t>((bits >> 16) & 0x8000U);
  const std::uint32_t magnitude = bits & 0x7FFFFFFFU;
  if (magnitude > 0x7F800000U) return static_cast<std::uint16_t>(sign | 0x7E00U);   // NaN
  if (magnitude >= 0x47800000U) return static_cast<std::uint16_t>(sign | 0x7C00U);  // 65,536 and up
  if (magnitude < 0x38800000U) {  // below 2^-14: a subnormal, in units of 2^-24
    const float scaled = std::bit_cast<float>(magnitude) * 16777216.0F;
    return static_cast<std::uint16_t>(sign | static_cast<std::uint32_t>(std::nearbyint(scaled)));
  }
  // Rounds the 13 bits that go to nearest even; a carry moves into the exponent as it should.
  const std::uint32_t rounded = magnitude + 0xFFFU + ((magnitude >> 13) & 1U);
  return static_cast<std::uint16_t>(sign | ((rounded - 0x38000000U) >> 13));
}

float from_half(std::uint16_t half) {
  const std::uint32_t sign = static_cast<std::uint32_t>(half & 0x8000U) << 16;
  const std::uint32_t exponent = (half >> 10) & 0x1FU;
  const std::uint32_t fraction = half & 0x3FFU;
  if (exponent == 0) {
    const float value = static_cast<float>(fraction) / 16777216.0F;
    return sign != 0 ? -value : value;
  }
  const std::uint32_t wide = exponent == 31 ? 0x7F800000U : (exponent + 112U) << 23;
  return std::bit_cast<float>(sign | wide | (fraction << 13));
}

}  // namespace rookery::index_tools
