#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "index_tools/int8_codes.hpp"
#include "retriever_pool/detail/byte_dots.hpp"
#include "retriever_pool/exact_kernel.hpp"

namespace rookery::retriever_pool::detail {

/// Estimates of scores from a shard's int8 codes, for walks: the query is rounded to int8 too, the
/// products are exact integers, and what is done in floats is done in one order, so that the
/// estimates are the same on every machine. Larger is better. Use from one thread.
class ByteScorer {
 public:
  /// `query` is `[dimension]`, already normalised for cosine. The codes must outlive it.
  ByteScorer(Metric metric, const index_tools::Int8Codes& codes, std::span<const float> query,
             InstructionSet instructions = best_instruction_set());
  void score(std::span<const std::int32_t> rows, float* scores) const;

 private:
  const index_tools::Int8Codes& codes_;
  std::vector<std::int8_t> query_storage_;
  const std::int8_t* query_ = nullptr;  // 64-byte aligned, `[stride]`
  std::int32_t offset_ = 0;
  float query_scale_ = 0;
  bool l2_ = false;
  void (*kernel_)(const ByteDots&) = nullptr;
};

/// Whether this CPU can run the kernel of `instructions` at its best; else AVX2's is used.
bool cpu_has_vnni();

}  // namespace rookery::retriever_pool::detail
