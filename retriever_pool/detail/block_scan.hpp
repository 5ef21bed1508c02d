#pragma once

// Plain data only: this header is compiled with AVX-512 switched on, where an inline function of
// the standard library could leak into the whole program and stop it on an older CPU.
#include <cstdint>

namespace rookery::retriever_pool::detail {

inline constexpr int kLanes = 16;      ///< of fused multiply-add (law 1)
inline constexpr int kQueryGroup = 8;  ///< queries that share one pass over a block of rows

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
  const float* rows;  ///< the block, `[row_count, dimension]`
  std::int64_t row_begin;
  std::int64_t row_count;
  std::int32_t dimension;
  const float* queries;       ///< `[kQueryGroup, padded]`, 64-byte aligned, zero-padded to 16
  std::int32_t query_count;   ///< [1, kQueryGroup]; further queries are zeros
  CandidateList* candidates;  ///< `[query_count]`
};

using BlockScanFunction = void (*)(const BlockScan& scan);

/// One per instruction set, each in a file of its own with its own compiler flags.
void scan_block_plain_product(const BlockScan& scan);
void scan_block_plain_l2(const BlockScan& scan);
void scan_block_avx2_product(const BlockScan& scan);
void scan_block_avx2_l2(const BlockScan& scan);
void scan_block_avx512_product(const BlockScan& scan);
void scan_block_avx512_l2(const BlockScan& scan);

inline std::int32_t padded_dimension(std::int32_t dimension) {
  return (dimension + kLanes - 1) / kLanes * kLanes;
}

}  // namespace rookery::retriever_pool::detail
