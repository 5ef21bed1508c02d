#pragma once

// Plain data only, as in block_scan.hpp.
#include <cstdint>

namespace rookery::retriever_pool::detail {

/// Loads `count` bytes once and does nothing with them. Variant 0 goes from the first to the last,
/// 1 reads eight parts side by side. The result only keeps the loads alive.
std::uint32_t load_all_plain(const void* bytes, std::int64_t count, int variant);
std::uint32_t load_all_avx2(const void* bytes, std::int64_t count, int variant);
std::uint32_t load_all_avx512(const void* bytes, std::int64_t count, int variant);

/// Multiplies and adds in registers; returns the floating-point operations done.
double multiply_add_plain(std::int64_t rounds);
double multiply_add_avx2(std::int64_t rounds);
double multiply_add_avx512(std::int64_t rounds);

}  // namespace rookery::retriever_pool::detail
