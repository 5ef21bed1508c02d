#include "retriever_pool/detail/scan_support.hpp"

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

#include <algorithm>
#include <bit>

namespace rookery::retriever_pool::detail {

#if defined(__x86_64__)
FixedFloatMode::FixedFloatMode() : saved_(_mm_getcsr()) {
  _mm_setcsr(0x1F80);  // all exceptions masked, to nearest, no FTZ, no DAZ
}
FixedFloatMode::~FixedFloatMode() { _mm_setcsr(saved_); }
#else
FixedFloatMode::FixedFloatMode() = default;
FixedFloatMode::~FixedFloatMode() = default;
#endif

Kernels kernels_for(InstructionSet set, KernelKind kind) {
#if defined(__x86_64__)
  if (set == InstructionSet::kAvx512) return kernels_avx512(kind);
  if (set == InstructionSet::kAvx2) return kernels_avx2(kind);
#endif
  static_cast<void>(set);
  return kernels_plain(kind);
}

std::int32_t query_width(std::int64_t left) {
  if (left >= 5) return 8;
  if (left >= 3) return 4;
  return static_cast<std::int32_t>(left);
}

void pack_queries(const float* queries, std::int32_t count, std::int32_t width,
                  std::int32_t dimension, float* out) {
  for (std::int32_t q = 0; q < count; ++q) {
    const float* query = queries + std::int64_t{q} * dimension;
    for (std::int32_t i = 0; i < dimension; i += kLanes) {
      const std::int32_t lanes = std::min(kLanes, dimension - i);
      std::copy_n(query + i, lanes, out + std::int64_t{i} * width + std::int64_t{q} * kLanes);
    }
  }
}

std::int64_t taken_rows(const std::uint64_t* members, std::int64_t begin, std::int64_t end,
                        std::int32_t* out) {
  std::int64_t count = 0;
  for (std::int64_t word = begin >> 6; word << 6 < end; ++word) {
    std::uint64_t bits = members[word];
    while (bits != 0) {
      const std::int64_t row = (word << 6) + std::countr_zero(bits);
      bits &= bits - 1;
      if (row >= begin && row < end) out[count++] = static_cast<std::int32_t>(row - begin);
    }
  }
  return count;
}

}  // namespace rookery::retriever_pool::detail
