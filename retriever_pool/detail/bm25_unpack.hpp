#pragma once

// For the two files that are compiled with AVX2 or more, and for no other.
#include <immintrin.h>

#include <cstdint>

#include "retriever_pool/detail/bm25_kernel.hpp"

namespace rookery::retriever_pool::detail {
namespace {

constexpr std::uint32_t kShuffledBitsMax = 25;  // a number and its 7 bits of offset fill 4 bytes

/// How 8 numbers of one width are picked: 4 from the bytes at the group's begin, 4 from those at
/// bit 4 · width.
struct Unpacking {
  alignas(32) std::uint8_t bytes[32];
  alignas(32) std::uint32_t shifts[8];
};
struct Unpackings {
  Unpacking of[kShuffledBitsMax + 1];
};

constexpr Unpackings make_unpackings() {
  Unpackings all{};
  for (std::uint32_t bits = 1; bits <= kShuffledBitsMax; ++bits) {
    for (std::uint32_t i = 0; i < 8; ++i) {
      const std::uint32_t offset = i < 4 ? 0 : 4 * bits % 8;  // within the first byte of its half
      const std::uint32_t bit = offset + i % 4 * bits;
      all.of[bits].shifts[i] = bit % 8;
      for (std::uint32_t b = 0; b < 4; ++b) {
        all.of[bits].bytes[i * 4 + b] = static_cast<std::uint8_t>(bit / 8 + b);
      }
    }
  }
  return all;
}
constexpr Unpackings kUnpackings = make_unpackings();

/// Gives groups of 8 numbers of a stream to `take(group, numbers)`.
template <typename Take>
inline void unpack_groups(const unsigned char* stream, std::uint32_t bits, std::int32_t groups,
                          const Take& take) {
  if (bits == 0) {
    for (std::int32_t g = 0; g < groups; ++g) take(g, _mm256_setzero_si256());
    return;
  }
  if (bits > kShuffledBitsMax) {
    for (std::int32_t g = 0; g < groups; ++g) {
      alignas(32) std::uint32_t numbers[8];
      for (std::int32_t i = 0; i < 8; ++i) {
        const std::int64_t bit = (std::int64_t{g} * 8 + i) * bits;
        std::uint64_t word = 0;
        __builtin_memcpy(&word, stream + bit / 8, sizeof word);
        numbers[i] = static_cast<std::uint32_t>((word >> (bit % 8)) & ((1ULL << bits) - 1));
      }
      take(g, _mm256_load_si256(reinterpret_cast<const __m256i*>(numbers)));
    }
    return;
  }
  const Unpacking& how = kUnpackings.of[bits];
  const __m256i bytes = _mm256_load_si256(reinterpret_cast<const __m256i*>(how.bytes));
  const __m256i shifts = _mm256_load_si256(reinterpret_cast<const __m256i*>(how.shifts));
  const __m256i mask = _mm256_set1_epi32(static_cast<std::int32_t>((1U << bits) - 1));
  const std::uint32_t half = bits / 2;
  for (std::int32_t g = 0; g < groups; ++g, stream += bits) {
    const __m256i words = _mm256_inserti128_si256(
        _mm256_castsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(stream))),
        _mm_loadu_si128(reinterpret_cast<const __m128i*>(stream + half)), 1);
    take(g, _mm256_and_si256(_mm256_srlv_epi32(_mm256_shuffle_epi8(words, bytes), shifts), mask));
  }
}

inline void decode_rows(const Bm25BlockJob& job, std::int32_t* rows) {
  const __m256i one = _mm256_set1_epi32(1);
  const __m256i last = _mm256_set1_epi32(7);
  __m256i before = _mm256_set1_epi32(job.row_before);
  unpack_groups(job.rows, job.row_bits, (job.count + 7) / 8, [&](std::int32_t g, __m256i gaps) {
    __m256i sums = _mm256_add_epi32(gaps, one);
    sums = _mm256_add_epi32(sums, _mm256_slli_si256(sums, 4));
    sums = _mm256_add_epi32(sums, _mm256_slli_si256(sums, 8));
    // The upper half still lacks the sum of the lower one.
    const __m256i low = _mm256_shuffle_epi32(_mm256_permute2x128_si256(sums, sums, 0x08), 0xFF);
    sums = _mm256_add_epi32(sums, low);
    const __m256i all = _mm256_add_epi32(before, sums);
    before = _mm256_add_epi32(before, _mm256_permutevar8x32_epi32(sums, last));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(rows + std::int64_t{g} * 8), all);
  });
  // What stands behind the last posting of the stream is no row: scores are looked up by rows.
  for (std::int32_t i = job.count; i < (job.count + 7) / 8 * 8; ++i) rows[i] = rows[job.count - 1];
}

}  // namespace
}  // namespace rookery::retriever_pool::detail
