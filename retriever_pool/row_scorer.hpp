#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "index_tools/snapshot.hpp"
#include "retriever_pool/exact_kernel.hpp"

namespace rookery::retriever_pool {

/// Scores single rows of a shard for one query by law 1: the same bits as every scan. What
/// re-scores candidates of the approximate kinds and of int8, and walks graphs. Keeps a padded copy
/// of the query; the shard must outlive it. Use from one thread.
class RowScorer {
 public:
  /// `query` is `[dimension]`, already normalised for cosine.
  RowScorer(Metric metric, const index_tools::SnapshotShard& shard, std::span<const float> query,
            InstructionSet instructions = best_instruction_set());
  ~RowScorer();
  RowScorer(const RowScorer&) = delete;
  RowScorer& operator=(const RowScorer&) = delete;
  /// `scores[i]` is the score of `rows[i]`; both have one length. Prefetches ahead.
  void score(std::span<const std::int32_t> rows, float* scores) const;
  [[nodiscard]] float score(std::int64_t row) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace rookery::retriever_pool
