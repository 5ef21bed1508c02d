#pragma once

// Plain data only: this header is compiled with AVX-512 switched on (see block_scan.hpp).
#include <cstdint>

namespace rookery::retriever_pool::detail {

/// Integer products of one query with chosen rows of codes. Exact, so that every instruction set
/// gives the same numbers: a row has at most 65,536 codes of at most 127, which 32 bits hold.
struct ByteDots {
  const std::uint8_t* codes;  ///< `[rows, stride]`, c + 128, 64-byte aligned
  std::int64_t stride;        ///< a multiple of 64
  const std::int32_t* rows;   ///< `[count]`, which rows
  std::int64_t count;
  const std::int8_t* query;  ///< `[stride]`, zeros beyond the dimension, 64-byte aligned
  std::int32_t offset;       ///< 128 × the sum of the query's codes
  std::int32_t* dots;        ///< `[count]`
};

void byte_dots_plain(const ByteDots& work);
void byte_dots_avx2(const ByteDots& work);
void byte_dots_vnni(const ByteDots& work);  ///< AVX-512 with BW and VNNI

}  // namespace rookery::retriever_pool::detail
