#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "index_tools/int8_codes.hpp"
#include "index_tools/snapshot.hpp"
#include "retriever_pool/detail/int8_bound.hpp"
#include "retriever_pool/detail/int8_scan.hpp"
#include "retriever_pool/detail/scan_support.hpp"
#include "retriever_pool/row_set.hpp"

namespace rookery::retriever_pool::detail {

/// A shard and its int8 codes; both outlive the search.
struct Int8Rows {
  const index_tools::SnapshotShard* shard = nullptr;
  const index_tools::Int8Codes* codes = nullptr;
  std::span<const float> extras;  ///< `int8_extras` for L2, else empty
};

struct Int8SearchOptions {
  Metric metric = Metric::kInnerProduct;
  InstructionSet instructions = best_instruction_set();
  std::int32_t k = 5;
  const RowSet* members = nullptr;  ///< the only rows that may be found; null: all
  std::chrono::steady_clock::time_point deadline = std::chrono::steady_clock::time_point::max();
};

/// One batch, exact through int8. Threads take blocks of rows in turn and share the best threshold
/// of every query: the score of the k-th best row that any of them has seen. A row whose bound
/// reaches it is scored by law 1 from the shard's vectors, best bound first.
class Int8Search {
 public:
  /// `queries` is `[batch, dimension]`, sound, normalised for cosine; it outlives the search.
  Int8Search(const Int8Rows& rows, std::span<const float> queries,
             const Int8SearchOptions& options);
  ~Int8Search();

  /// Works until no block is left. False when the deadline came first. Several threads may call at
  /// once, each with a number of its own from 0 to 1023.
  bool run(int thread);
  /// Once all threads are through. Row i answers query i, best first; a query whose bound kept too
  /// many rows is not answered but named in `useless`.
  std::vector<std::vector<Hit>> finish(std::vector<std::int64_t>& useless);
  /// Rows that were scored in float, over all queries.
  [[nodiscard]] std::int64_t rows_scored() const;

 private:
  struct Query;
  struct Group;
  class Worker;

  Int8Rows rows_;
  Int8SearchOptions options_;
  std::int64_t count_, block_rows_, k_, useless_at_;
  Int8ScanFunction scan_;
  RowScoringFunction score_;
  AlignedArray<float> padded_;        // `[batch, padded]`
  AlignedArray<std::int8_t> packed_;  // group by group
  std::vector<Query> queries_;
  std::vector<Group> groups_;
  std::atomic<std::int64_t> next_row_{0};
  std::vector<std::unique_ptr<Worker>> workers_;
};

}  // namespace rookery::retriever_pool::detail
