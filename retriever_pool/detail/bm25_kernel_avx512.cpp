#include "retriever_pool/detail/bm25_unpack.hpp"

namespace rookery::retriever_pool::detail {
namespace {

constexpr double kRounder = 6755399441055744.0;  // 1.5 · 2⁵², see bm25_formula.hpp

void score_rows(const Bm25BlockJob& job, const std::int32_t* rows, std::int64_t* shares) {
  const __m512d constant = _mm512_set1_pd(job.constant);
  const __m512d per_token = _mm512_set1_pd(job.per_token);
  const __m512d weight = _mm512_set1_pd(job.weight);
  const __m512d rounder = _mm512_set1_pd(kRounder);
  const __m512d least = _mm512_set1_pd(1);
  const __m512i repeats = _mm512_set1_epi64(job.repeats);
  const bool repeated = job.repeats != 1;
  const __m256i one = _mm256_set1_epi32(1);
  const auto* lengths = reinterpret_cast<const int*>(job.lengths);
  unpack_groups(
      job.frequencies, job.frequency_bits, (job.count + 7) / 8,
      [&](std::int32_t g, __m256i extras) {
        const std::int32_t* group = rows + std::int64_t{g} * 8;
        const __m256i length = _mm256_i32gather_epi32(
            lengths, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(group)), 4);
        const __m512d tf = _mm512_cvtepi32_pd(_mm256_add_epi32(extras, one));
        const __m512d norm =
            _mm512_add_pd(constant, _mm512_mul_pd(per_token, _mm512_cvtepi32_pd(length)));
        const __m512d ratio = _mm512_div_pd(tf, _mm512_add_pd(tf, norm));
        const __m512d exact = _mm512_max_pd(_mm512_mul_pd(weight, ratio), least);
        __m512i share = _mm512_sub_epi64(_mm512_castpd_si512(_mm512_add_pd(exact, rounder)),
                                         _mm512_castpd_si512(rounder));
        if (repeated) {  // 64 by 16 bits: the product of the high half moves up
          const __m512i high = _mm512_mul_epu32(_mm512_srli_epi64(share, 32), repeats);
          share = _mm512_add_epi64(_mm512_mul_epu32(share, repeats), _mm512_slli_epi64(high, 32));
        }
        _mm512_storeu_si512(shares + std::int64_t{g} * 8, share);
      });
}

std::int32_t collect(const std::int64_t* sums, std::int32_t count, std::int64_t limit,
                     std::int32_t* indexes) {
  const __m512i least = _mm512_set1_epi64(limit);
  __m512i here = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  const __m512i step = _mm512_set1_epi32(16);
  std::int32_t found = 0;
  for (std::int32_t i = 0; i < count; i += 16, here = _mm512_add_epi32(here, step)) {
    const std::uint32_t low = _mm512_cmpge_epi64_mask(_mm512_loadu_si512(sums + i), least);
    const std::uint32_t high = _mm512_cmpge_epi64_mask(_mm512_loadu_si512(sums + i + 8), least);
    const std::uint32_t bits = low | high << 8U;
    if (bits == 0) continue;
    // All 16 are stored, whatever the count: a store under a mask is slow on some CPUs.
    _mm512_storeu_si512(indexes + found,
                        _mm512_maskz_compress_epi32(static_cast<__mmask16>(bits), here));
    found += __builtin_popcount(bits);
  }
  return found;
}

}  // namespace

const Bm25Kernel& bm25_kernel_avx512() {
  static constexpr Bm25Kernel kKernel{decode_rows, score_rows, collect};
  return kKernel;
}

}  // namespace rookery::retriever_pool::detail
