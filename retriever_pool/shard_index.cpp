#include "retriever_pool/shard_index.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "retriever_pool/hit_merge.hpp"

namespace rookery::retriever_pool {
namespace {

constexpr std::int64_t kPartRowsMin = 512;  // fewer rows are not worth waking another thread

class ExactShardIndex final : public ShardIndex {
 public:
  ExactShardIndex(std::shared_ptr<const index_tools::SnapshotShard> shard, Metric metric,
                  std::shared_ptr<SearchTeam> team)
      : shard_(std::move(shard)), metric_(metric), team_(std::move(team)) {
    const auto ids = shard_->ids();
    const auto vectors = shard_->vectors();
    const std::string name = "shard " + std::to_string(shard_->shard());
    if (dimension() < 1 || std::ssize(ids) != count() ||
        std::ssize(vectors) != count() * dimension()) {
      throw base::UserError(name + ": expected " + std::to_string(count()) +
                            " ids and vectors of " + std::to_string(dimension()) + " floats, got " +
                            std::to_string(ids.size()) + " ids and " +
                            std::to_string(vectors.size()) + " floats; rebuild the snapshot");
    }
    const auto fall = std::adjacent_find(ids.begin(), ids.end(), std::greater_equal<>());
    if (fall != ids.end()) {
      throw base::UserError(name + ": expected rising passage ids, got " + std::to_string(*fall) +
                            " before " + std::to_string(*(fall + 1)) + " at row " +
                            std::to_string(fall - ids.begin()) + "; rebuild the snapshot");
    }
    const std::int64_t unsound = first_unsound_row(vectors, dimension());
    if (unsound >= 0) {
      throw base::UserError(name + ": the vector in row " + std::to_string(unsound) +
                            " holds NaN or infinity, or is longer than 1e18; rebuild the snapshot");
    }
  }

  [[nodiscard]] index_tools::IndexKind kind() const override {
    return index_tools::IndexKind::kExact;
  }
  [[nodiscard]] std::int32_t dimension() const override { return shard_->dimension(); }
  [[nodiscard]] std::int64_t count() const override { return shard_->count(); }

  [[nodiscard]] HitRows search(const SearchBatch& batch) const override {
    check_queries(batch.queries, batch.k, dimension());
    const auto parts = static_cast<std::int32_t>(
        std::clamp<std::int64_t>(count() / kPartRowsMin, 1, team_->size()));
    std::vector<ScanResult> results(static_cast<std::size_t>(parts));
    ScanOptions options;
    options.metric = metric_;
    options.k = batch.k;
    options.deadline = batch.deadline;
    const bool ran = team_->run(parts, batch.deadline, [&](int part) {
      const std::int64_t begin = count() * part / parts;
      const std::int64_t end = count() * (part + 1) / parts;
      const ScanRows rows{shard_->vectors().data() + begin * dimension(),
                          shard_->ids().data() + begin, end - begin, dimension()};
      results[static_cast<std::size_t>(part)] = scan_exact(rows, batch.queries, options);
    });
    const bool finished = ran && std::all_of(results.begin(), results.end(),
                                             [](const ScanResult& r) { return r.finished; });
    if (!finished) {
      throw RetrievalError(
          RetrievalFault::kDeadline,
          "the deadline passed during the search of shard " + std::to_string(shard_->shard()));
    }
    if (parts == 1) return std::move(results.front().hits);
    return merge_parts(results, batch.k);
  }

 private:
  static HitRows merge_parts(const std::vector<ScanResult>& results, std::int32_t k) {
    HitRows rows(results.front().hits.size());
    std::vector<std::span<const Hit>> sources(results.size());
    for (std::size_t q = 0; q < rows.size(); ++q) {
      for (std::size_t part = 0; part < results.size(); ++part) {
        sources[part] = results[part].hits[q];
      }
      for (const MergedHit& merged : merge_hits(sources, k)) rows[q].push_back(merged.hit);
    }
    return rows;
  }

  std::shared_ptr<const index_tools::SnapshotShard> shard_;
  Metric metric_;
  std::shared_ptr<SearchTeam> team_;  // shared: an embedded pool searches all shards with one team
};

}  // namespace

std::unique_ptr<ShardIndex> make_exact_index(
    std::shared_ptr<const index_tools::SnapshotShard> shard, Metric metric,
    std::shared_ptr<SearchTeam> team) {
  return std::make_unique<ExactShardIndex>(std::move(shard), metric, std::move(team));
}

void check_queries(std::span<const float> queries, std::int32_t k, std::int32_t dimension) {
  const auto refuse = [](const std::string& message) {
    throw RetrievalError(RetrievalFault::kInvalid, message);
  };
  if (k < 1 || k > kDocumentsMax) {
    refuse("k: expected a number of documents in [1, 1024], got " + std::to_string(k));
  }
  if (queries.empty()) refuse("queries: expected at least one query, got an empty batch");
  if (queries.size() % static_cast<std::size_t>(dimension) != 0) {
    refuse("queries: expected [batch, " + std::to_string(dimension) + "], got " +
           std::to_string(queries.size()) + " floats");
  }
  const std::size_t batch = queries.size() / static_cast<std::size_t>(dimension);
  if (batch > static_cast<std::size_t>(kBatchMax)) {
    refuse("queries: expected at most " + std::to_string(kBatchMax) + " in a batch, got " +
           std::to_string(batch) + "; split the batch");
  }
  const std::int64_t unsound = first_unsound_row(queries, dimension);
  if (unsound >= 0) {
    refuse("query " + std::to_string(unsound) +
           " holds NaN or infinity, or is longer than 1e18: expected finite numbers");
  }
}

}  // namespace rookery::retriever_pool
