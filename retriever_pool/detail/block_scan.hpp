#pragma once

// Plain data only: this header is compiled with AVX-512 switched on, where an inline function of
// the standard library could leak into the whole program and stop it on an older CPU.
#include <cstdint>

namespace rookery::retriever_pool::detail {

inline constexpr int kLanes = 16;  ///< of fused multiply-add (law 1)
inline constexpr int kQueryGroup =
    8;  ///< queries that share one pass over a block of rows, at most

struct Candidate {
  float score;
  std::int64_t row;
};

/// The candidates of one query. A scan of one block adds at most the block's rows, so that room is
/// checked once a block, outside the inner loop.
struct CandidateList {
  Candidate* items;
  std::int64_t count;
  float threshold;  ///< only scores above it are kept
};

/// One group of queries over one block of rows.
struct BlockScan {
  const void* rows;           ///< the block, `[…, dimension]` of float or binary16
  const std::int32_t* taken;  ///< `[row_count]`, rows of the block that count, rising; null: all
  std::int64_t row_begin;     ///< number of the block's first row
  std::int64_t row_count;
  std::int32_t dimension;
  const float* queries;       ///< `[padded / 16, query_width, 16]`, 64-byte aligned, zero-padded
  std::int32_t query_width;   ///< 1, 2, 4 or 8
  std::int32_t query_count;   ///< [1, query_width]; further queries are zeros
  CandidateList* candidates;  ///< `[query_count]`
  /// Prefetched while this block is read: the block that comes after it (null: none). With several
  /// groups of queries each pass fetches its share, else what follows the rows at hand.
  const void* next_rows;
  std::int32_t pass, passes;  ///< this group's number, from 0, and how many groups there are
};
using BlockScanFunction = void (*)(const BlockScan& scan);

/// Single rows for one query; all scores are written.
struct RowScoring {
  const void* rows;          ///< `[…, dimension]` of float or binary16
  const std::int32_t* list;  ///< `[count]` rows, any order
  std::int64_t count;
  std::int32_t dimension;
  const float* query;  ///< `[padded]`, 64-byte aligned, zero-padded to 16
  float* scores;       ///< `[count]`
};
using RowScoringFunction = void (*)(const RowScoring& scoring);

/// What rows are made of and how they are scored.
struct KernelKind {
  bool l2;    ///< else inner product
  bool half;  ///< rows are binary16, else float
};

struct Kernels {
  BlockScanFunction scan;
  RowScoringFunction score;
};

/// One per instruction set, each in a file of its own with its own compiler flags.
Kernels kernels_plain(KernelKind kind);
Kernels kernels_avx2(KernelKind kind);
Kernels kernels_avx512(KernelKind kind);

inline std::int32_t padded_dimension(std::int32_t dimension) {
  return (dimension + kLanes - 1) / kLanes * kLanes;
}

}  // namespace rookery::retriever_pool::detail
