#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "index_tools/bm25_postings.hpp"
#include "retriever_pool/exact_kernel.hpp"
#include "retriever_pool/row_set.hpp"

namespace rookery::retriever_pool::detail {

/// What one search of one query wants.
struct Bm25Query {
  std::string_view text;
  std::int32_t k = 5;
  const RowSet* rows = nullptr;  ///< the only rows that may be found; null: all
  std::chrono::steady_clock::time_point deadline = std::chrono::steady_clock::time_point::max();
};

/// A row and its score, as one number that is larger for what comes first (law 1).
struct Bm25Hit {
  std::int64_t row;
  float score;
};

/// Searches one shard's postings, query after query. The rows are passed over in windows; by
/// MaxScore (Turtle and Flood, 1995) with the bounds of the blocks in a window, terms that cannot
/// lift a row over the worst hit by themselves are only looked up for the rows that the others
/// bring. Every bound is a sum of integers that the shares cannot exceed, so pruning changes no
/// result. Keeps its buffers from query to query; use from one thread. The postings must outlive
/// it.
class Bm25Scan {
 public:
  explicit Bm25Scan(const index_tools::Bm25Postings& postings,
                    InstructionSet instructions = best_instruction_set());
  ~Bm25Scan();
  /// The best rows, best first, into `hits`; false when the deadline came first.
  bool search(const Bm25Query& query, std::vector<Bm25Hit>& hits);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace rookery::retriever_pool::detail
