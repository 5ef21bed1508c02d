#include "retriever_pool/detail/byte_dots.hpp"

#include <immintrin.h>

namespace rookery::retriever_pool::detail {
namespace {

constexpr std::int64_t kAhead = 6;  // rows whose lines are on their way while one is summed

inline void fetch(const std::uint8_t* row, std::int64_t stride) {
  for (std::int64_t j = 0; j < stride; j += 64) {
    _mm_prefetch(reinterpret_cast<const char*>(row + j), _MM_HINT_T0);
  }
}

inline __m512i step(const std::uint8_t* row, const std::int8_t* query, __m512i sum) {
  return _mm512_dpbusd_epi32(sum, _mm512_load_si512(row), _mm512_load_si512(query));
}

}  // namespace

void byte_dots_vnni(const ByteDots& work) {
  const std::int64_t stride = work.stride;
  for (std::int64_t i = 0; i < work.count && i < kAhead; ++i) {
    fetch(work.codes + work.rows[i] * stride, stride);
  }
  for (std::int64_t i = 0; i < work.count; ++i) {
    if (i + kAhead < work.count) fetch(work.codes + work.rows[i + kAhead] * stride, stride);
    const std::uint8_t* row = work.codes + work.rows[i] * stride;
    // Four sums hide the latency of the product.
    __m512i a = _mm512_setzero_si512(), b = a, c = a, d = a;
    std::int64_t j = 0;
    for (; j + 256 <= stride; j += 256) {
      a = step(row + j, work.query + j, a);
      b = step(row + j + 64, work.query + j + 64, b);
      c = step(row + j + 128, work.query + j + 128, c);
      d = step(row + j + 192, work.query + j + 192, d);
    }
    for (; j < stride; j += 64) a = step(row + j, work.query + j, a);
    const __m512i sum = _mm512_add_epi32(_mm512_add_epi32(a, b), _mm512_add_epi32(c, d));
    work.dots[i] =
        static_cast<std::int32_t>(static_cast<std::uint32_t>(_mm512_reduce_add_epi32(sum)) -
                                  static_cast<std::uint32_t>(work.offset));
  }
}

}  // namespace rookery::retriever_pool::detail
