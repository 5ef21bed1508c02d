#pragma once

#include <cstdint>
#include <span>

namespace rookery::index_tools {

/// How vectors lie in a snapshot.
enum class VectorType : std::uint8_t { kNone = 0, kFloat32 = 1, kFloat16 = 2 };

/// Scales every row of `[rows, dimension]` to length 1: the squares are summed in double from the
/// first element to the last, each element is divided by the root in double and rounded to float,
/// so that the bits are the same on every machine. Returns the first row of zeros, which has no
/// direction and is left alone, or -1.
std::int64_t normalise_rows(std::span<float> vectors, std::int32_t dimension);

/// IEEE binary16, rounded to nearest even; values beyond 65,504 become infinity.
std::uint16_t to_half(float value);
/// Exact.
float from_half(std::uint16_t half);

}  // namespace rookery::index_tools
