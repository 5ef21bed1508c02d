#pragma once

// Plain data only, as in block_scan.hpp.
#include <cstdint>

#include "retriever_pool/detail/block_scan.hpp"

namespace rookery::retriever_pool::detail {

/// Up to `kQueryGroup` queries over one block of int8 rows. A pair is kept, with its `key`, when
///   key = row scale × (query scale × Σ codes) + query a × row error + query b × row norm
///         + row extra  ≥  query limit.
/// The coefficients make room for the rounding of this very sum (see int8_bound.hpp), so that it
/// may be computed in any order.
struct Int8Scan {
  const std::uint8_t* codes;  ///< `[row_count, stride]`, + 128
  std::int32_t stride;        ///< a multiple of 64
  const float *scales, *errors, *norms;
  const float* extras;  ///< `[row_count]`; null: zeros
  std::int64_t row_begin, row_count;
  const std::int8_t* queries;  ///< `[stride / 64, query_width, 64]`, 64-byte aligned
  std::int32_t query_width;    ///< 1, 2, 4 or 8
  std::int32_t query_count;
  const std::int32_t* query_offsets;  ///< `[kQueryGroup]`, -128 Σ codes of the query
  const float *query_scales, *query_a, *query_b, *limits;  ///< `[kQueryGroup]` each
  CandidateList* candidates;  ///< `[query_count]`, their thresholds are not looked at
};
using Int8ScanFunction = void (*)(const Int8Scan& scan);

/// One per instruction set. AVX-512 needs VNNI, BW and VL too.
void int8_scan_plain(const Int8Scan& scan);
void int8_scan_avx2(const Int8Scan& scan);
void int8_scan_avx512(const Int8Scan& scan);

}  // namespace rookery::retriever_pool::detail
