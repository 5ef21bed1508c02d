#include "retriever_pool/detail/bm25_unpack.hpp"

namespace rookery::retriever_pool::detail {
namespace {

constexpr double kRounder = 6755399441055744.0;  // 1.5 · 2⁵², see bm25_formula.hpp

struct Factors {
  __m256d constant, per_token, weight;
  __m256i repeats;
  bool repeated;
};

inline __m256i share(__m128i frequencies, __m128i lengths, const Factors& factors) {
  const __m256d tf = _mm256_cvtepi32_pd(frequencies);
  const __m256d norm = _mm256_add_pd(factors.constant,
                                     _mm256_mul_pd(factors.per_token, _mm256_cvtepi32_pd(lengths)));
  const __m256d ratio = _mm256_div_pd(tf, _mm256_add_pd(tf, norm));
  const __m256d exact = _mm256_max_pd(_mm256_mul_pd(factors.weight, ratio), _mm256_set1_pd(1));
  const __m256d rounder = _mm256_set1_pd(kRounder);
  const __m256i whole = _mm256_sub_epi64(_mm256_castpd_si256(_mm256_add_pd(exact, rounder)),
                                         _mm256_castpd_si256(rounder));
  if (!factors.repeated) return whole;
  // 64 by 16 bits: the product of the high half moves up.
  const __m256i high = _mm256_mul_epu32(_mm256_srli_epi64(whole, 32), factors.repeats);
  return _mm256_add_epi64(_mm256_mul_epu32(whole, factors.repeats), _mm256_slli_epi64(high, 32));
}

void score_rows(const Bm25BlockJob& job, const std::int32_t* rows, std::int64_t* shares) {
  const Factors factors{_mm256_set1_pd(job.constant), _mm256_set1_pd(job.per_token),
                        _mm256_set1_pd(job.weight), _mm256_set1_epi64x(job.repeats),
                        job.repeats != 1};
  const __m256i one = _mm256_set1_epi32(1);
  const auto* lengths = reinterpret_cast<const int*>(job.lengths);
  unpack_groups(job.frequencies, job.frequency_bits, (job.count + 7) / 8,
                [&](std::int32_t g, __m256i extras) {
                  const std::int32_t* group = rows + std::int64_t{g} * 8;
                  const __m256i tf = _mm256_add_epi32(extras, one);
                  const __m256i length = _mm256_i32gather_epi32(
                      lengths, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(group)), 4);
                  auto* out = reinterpret_cast<__m256i*>(shares + std::int64_t{g} * 8);
                  _mm256_storeu_si256(out, share(_mm256_castsi256_si128(tf),
                                                 _mm256_castsi256_si128(length), factors));
                  _mm256_storeu_si256(out + 1, share(_mm256_extracti128_si256(tf, 1),
                                                     _mm256_extracti128_si256(length, 1), factors));
                });
}

std::int32_t collect(const std::int64_t* sums, std::int32_t count, std::int64_t limit,
                     std::int32_t* indexes) {
  const __m256i below = _mm256_set1_epi64x(limit - 1);
  std::int32_t found = 0;
  for (std::int32_t i = 0; i < count; i += 8) {
    const auto* four = reinterpret_cast<const __m256i*>(sums + i);
    const __m256i low = _mm256_cmpgt_epi64(_mm256_loadu_si256(four), below);
    const __m256i high = _mm256_cmpgt_epi64(_mm256_loadu_si256(four + 1), below);
    auto bits = static_cast<std::uint32_t>(_mm256_movemask_pd(_mm256_castsi256_pd(low))) |
                static_cast<std::uint32_t>(_mm256_movemask_pd(_mm256_castsi256_pd(high))) << 4U;
    for (; bits != 0; bits &= bits - 1) indexes[found++] = i + __builtin_ctz(bits);
  }
  return found;
}

}  // namespace

const Bm25Kernel& bm25_kernel_avx2() {
  static constexpr Bm25Kernel kKernel{decode_rows, score_rows, collect};
  return kKernel;
}

}  // namespace rookery::retriever_pool::detail
