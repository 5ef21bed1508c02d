#pragma once

// Plain data only: this header is compiled with AVX2 switched on.
#include <cstdint>

namespace rookery::index_tools::detail {

/// Distances while a graph is built: 32 lanes of fused multiply-add, the same code on every machine
/// that can load the library, so that a serial build gives the same graph everywhere.
float row_product_avx2(const float* a, const float* b, std::int64_t dimension);
float row_squares_avx2(const float* a, const float* b, std::int64_t dimension);

}  // namespace rookery::index_tools::detail
