#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "index_tools/snapshot.hpp"
#include "retriever_pool/exact_kernel.hpp"
#include "retriever_pool/retriever.hpp"
#include "retriever_pool/row_set.hpp"
#include "retriever_pool/search_team.hpp"

namespace rookery::retriever_pool {

/// Queries that are searched together.
struct SearchBatch {
  std::span<const float> queries;      ///< dense kinds: `[batch, dimension]`, row-major
  std::span<const std::string> texts;  ///< bm25: `[batch]`
  std::int32_t k = 5;                  ///< hits per query, [1, 1024]
  std::chrono::steady_clock::time_point deadline = std::chrono::steady_clock::time_point::max();
  SearchTuning tuning = {};
  std::shared_ptr<const RowSet> rows = {};  ///< the only rows that may be found; nothing: all
};

/// Row i answers query i, best first; shorter than k where the shard is small.
using HitRows = std::vector<std::vector<Hit>>;

/// One immutable part of the corpus. `search` may run on many threads at once.
class ShardIndex {
 public:
  virtual ~ShardIndex() = default;
  [[nodiscard]] virtual index_tools::IndexKind kind() const = 0;
  [[nodiscard]] virtual std::int32_t dimension() const = 0;
  [[nodiscard]] virtual std::int64_t count() const = 0;
  /// Throws `RetrievalError`: kInvalid for what `check_queries` refuses, kDeadline when the
  /// deadline came first.
  [[nodiscard]] virtual HitRows search(const SearchBatch& batch) const = 0;
};

/// Exact search over a shard's vectors, split by row ranges among the threads of `team` (law 1).
/// Throws `UserError` for what `check_dense_shard` refuses.
std::unique_ptr<ShardIndex> make_exact_index(
    std::shared_ptr<const index_tools::SnapshotShard> shard, Metric metric,
    std::shared_ptr<SearchTeam> team);

/// Exact search through the `int8` file: the same ids and score bits as `make_exact_index`.
std::unique_ptr<ShardIndex> make_int8_index(std::shared_ptr<const index_tools::SnapshotShard> shard,
                                            Metric metric, std::shared_ptr<SearchTeam> team);

/// Walks the graph of the `hnsw` file. Scores are law 1's, whatever the walk reads.
std::unique_ptr<ShardIndex> make_hnsw_index(std::shared_ptr<const index_tools::SnapshotShard> shard,
                                            Metric metric, std::shared_ptr<SearchTeam> team);

/// Reads the nearest lists of the `ivfpq` file and re-scores the best candidates by law 1.
std::unique_ptr<ShardIndex> make_ivfpq_index(
    std::shared_ptr<const index_tools::SnapshotShard> shard, Metric metric,
    std::shared_ptr<SearchTeam> team);

/// BM25 over the `bm25` file; `dimension` is 0 and queries are texts.
std::unique_ptr<ShardIndex> make_bm25_index(std::shared_ptr<const index_tools::SnapshotShard> shard,
                                            std::shared_ptr<SearchTeam> team);

/// What every dense index asks of its shard. Throws `UserError` naming the row when ids do not
/// rise, or a vector holds NaN or infinity, is longer than `kVectorNormMax` or, for cosine, is not
/// of length 1 within 1e-3.
void check_dense_shard(const index_tools::SnapshotShard& shard, Metric metric);

/// Refuses with `RetrievalError` (kInvalid), naming what was expected and what came: an empty
/// batch, more than `kBatchMax` queries, another dimension, NaN or infinity (by row), a k outside
/// [1, 1024].
void check_queries(std::span<const float> queries, std::int32_t k, std::int32_t dimension);

/// The queries as they are scored: for cosine a copy in `buffer`, normalised (a query of zeros is
/// refused as above), else the queries themselves. They have passed `check_queries`.
std::span<const float> scored_queries(std::span<const float> queries, Metric metric,
                                      std::int32_t dimension, std::vector<float>& buffer);

}  // namespace rookery::retriever_pool
