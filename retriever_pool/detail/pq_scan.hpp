#pragma once

// Plain data only: this header is compiled with AVX-512 switched on, where an inline function of
// the standard library could leak into the whole program and stop it on an older CPU.
#include <cstdint>

namespace rookery::retriever_pool::detail {

inline constexpr int kPqWords = 256;     ///< codewords a codebook
inline constexpr int kPqGroupRows = 64;  ///< rows whose codes lie interleaved

/// The products of one query with every codeword.
struct PqProducts {
  const float* codebooks;  ///< `[pq_bytes, width, 256]`, 64-byte aligned
  const float* query;      ///< `[pq_bytes × width]`
  std::int32_t pq_bytes;
  std::int32_t width;  ///< elements of a codeword
  float* products;  ///< `[pq_bytes, 256]`, 64-byte aligned: element 0, 1, … by fused multiply-add
  float *lows, *highs;  ///< `[pq_bytes]`, the smallest and the largest of each codebook
};

/// Products as bytes: round((product − low) × inverse), at most `level_max`.
struct PqRounding {
  const float *products, *lows;
  std::int32_t pq_bytes;
  float inverse;
  std::int32_t level_max;
  std::uint8_t* tables;  ///< `[pq_bytes, 256]`, 64-byte aligned
};

/// Rows of one list against one query: score = bias + scale × Σ_m table[m][code m] − term. The sum
/// is of integers and fits 16 bits; then one fused multiply-add and one subtraction, so that all
/// instruction sets give the same bits.
struct PqScan {
  const std::uint8_t* codes;  ///< interleaved (see index_tools/ivfpq_lists.hpp); 64 bytes behind
                              ///< the last may be read
  const float* terms;         ///< `[row_count]`, or null
  std::int32_t row_count;
  std::int32_t pq_bytes;
  const std::uint8_t* tables;  ///< `[pq_bytes, 256]`, 64-byte aligned
  float scale, bias;
  float threshold;          ///< rows that score as much or more are kept
  float* scores;            ///< of the kept rows, room for `row_count` + 16
  std::int32_t* positions;  ///< of the kept rows from 0, rising; the same room
};

struct PqKernels {
  void (*products)(const PqProducts& task);
  void (*round)(const PqRounding& task);
  std::int32_t (*scan)(const PqScan& task);  ///< returns how many rows were kept
};

/// One per instruction set, each in a file of its own with its own compiler flags. The last needs
/// AVX-512 with VBMI, BW and VL.
PqKernels pq_kernels_plain();
PqKernels pq_kernels_avx2();
PqKernels pq_kernels_vbmi();

}  // namespace rookery::retriever_pool::detail
