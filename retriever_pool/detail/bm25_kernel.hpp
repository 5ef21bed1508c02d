#pragma once

// Plain data only, as in block_scan.hpp: this is compiled with AVX-512 switched on.
#include <cstdint>

namespace rookery::retriever_pool::detail {

inline constexpr int kBm25BlockRows = 128;
inline constexpr int kBm25Padded = kBm25BlockRows + 16;  ///< what a kernel may write

/// One block of postings of one term, and what its shares are computed from
/// (`index_tools/bm25_formula.hpp`).
struct Bm25BlockJob {
  const unsigned char* rows;               ///< gaps minus one, packed
  const unsigned char* frequencies;        ///< minus one, packed
  std::uint32_t row_bits, frequency_bits;  ///< [0, 31]
  std::int32_t count;                      ///< [1, 128]
  std::int32_t row_before;                 ///< last row of the block before, or -1
  const std::uint32_t* lengths;            ///< of all rows, below 2³¹
  double constant, per_token, weight;
  std::int64_t repeats;  ///< of the term in the query, [1, 2¹⁶)
};

/// One set of functions per instruction set, each in a file of its own with its own compiler flags;
/// all give the same bits. Streams may be read up to 40 bytes beyond their end.
struct Bm25Kernel {
  /// Writes the rows, and a few copies of the last one behind them: `[kBm25Padded]`.
  void (*decode_rows)(const Bm25BlockJob& job, std::int32_t* rows);
  /// Writes the shares of the decoded rows, and numbers without meaning behind them.
  void (*score_rows)(const Bm25BlockJob& job, const std::int32_t* rows, std::int64_t* shares);
  /// Writes the indexes of `sums[0..count)` that are at least `limit`, rising; returns how many.
  /// `count` is a multiple of 16; `indexes` has room for 16 more than `count`.
  std::int32_t (*collect)(const std::int64_t* sums, std::int32_t count, std::int64_t limit,
                          std::int32_t* indexes);
};

const Bm25Kernel& bm25_kernel_plain();
const Bm25Kernel& bm25_kernel_avx2();
const Bm25Kernel& bm25_kernel_avx512();

}  // namespace rookery::retriever_pool::detail
