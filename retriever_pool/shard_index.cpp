#include "retriever_pool/shard_index.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <stdexcept>

#include "base/error.hpp"
#include "index_tools/vector_math.hpp"
#include "retriever_pool/hit_merge.hpp"

namespace rookery::retriever_pool {
namespace {

using index_tools::SnapshotShard;
using index_tools::VectorType;

constexpr std::int64_t kPartRowsMin = 512;  // fewer rows are not worth waking another thread
constexpr double kUnitLengthError = 1e-3;

void check_rows(const RowSet* rows, std::int64_t count) {
  if (rows == nullptr || rows->rows() == count) return;
  throw std::invalid_argument("search: expected a set of " + std::to_string(count) +
                              " rows, got one of " + std::to_string(rows->rows()));
}

class ExactShardIndex final : public ShardIndex {
 public:
  ExactShardIndex(std::shared_ptr<const SnapshotShard> shard, Metric metric,
                  std::shared_ptr<SearchTeam> team)
      : shard_(std::move(shard)), metric_(metric), team_(std::move(team)) {
    check_dense_shard(*shard_, metric_);
  }

  [[nodiscard]] index_tools::IndexKind kind() const override {
    return index_tools::IndexKind::kExact;
  }
  [[nodiscard]] std::int32_t dimension() const override { return shard_->dimension(); }
  [[nodiscard]] std::int64_t count() const override { return shard_->count(); }

  [[nodiscard]] HitRows search(const SearchBatch& batch) const override {
    check_queries(batch.queries, batch.k, dimension());
    check_rows(batch.rows.get(), count());
    std::vector<float> buffer;
    const auto queries = scored_queries(batch.queries, metric_, dimension(), buffer);
    const auto parts = static_cast<std::int32_t>(
        std::clamp<std::int64_t>(count() / kPartRowsMin, 1, team_->size()));
    std::vector<ScanResult> results(static_cast<std::size_t>(parts));
    ScanOptions options;
    options.metric = metric_;
    options.k = batch.k;
    options.deadline = batch.deadline;
    std::atomic<std::int64_t> next_row = 0;
    options.next_row = &next_row;
    const ScanRows all = rows(batch.rows.get());
    const bool ran = team_->run(parts, batch.deadline, [&](int part) {
      results[static_cast<std::size_t>(part)] = scan_exact(all, queries, options);
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
  [[nodiscard]] ScanRows rows(const RowSet* members) const {
    ScanRows all;
    if (shard_->vector_type() == VectorType::kFloat16) {
      all.halves = shard_->half_vectors().data();
    } else {
      all.vectors = shard_->vectors().data();
    }
    all.ids = shard_->ids().data();
    all.count = count();
    all.dimension = dimension();
    if (members != nullptr) all.members = members->words();
    return all;
  }

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

  std::shared_ptr<const SnapshotShard> shard_;
  Metric metric_;
  std::shared_ptr<SearchTeam> team_;  // shared: an embedded pool searches all shards with one team
};

void check_shape(const SnapshotShard& shard, const std::string& name) {
  const bool half = shard.vector_type() == VectorType::kFloat16;
  const auto values =
      static_cast<std::int64_t>(half ? shard.half_vectors().size() : shard.vectors().size());
  if (shard.dimension() >= 1 && std::ssize(shard.ids()) == shard.count() &&
      values == shard.count() * shard.dimension()) {
    return;
  }
  throw base::UserError(name + ": expected " + std::to_string(shard.count()) +
                        " ids and vectors of " + std::to_string(shard.dimension()) +
                        " floats, got " + std::to_string(shard.ids().size()) + " ids and " +
                        std::to_string(values) + " floats; rebuild the snapshot");
}

}  // namespace

std::unique_ptr<ShardIndex> make_exact_index(std::shared_ptr<const SnapshotShard> shard,
                                             Metric metric, std::shared_ptr<SearchTeam> team) {
  return std::make_unique<ExactShardIndex>(std::move(shard), metric, std::move(team));
}

void check_dense_shard(const SnapshotShard& shard, Metric metric) {
  const std::string name = "shard " + std::to_string(shard.shard());
  check_shape(shard, name);
  const auto ids = shard.ids();
  const auto fall = std::adjacent_find(ids.begin(), ids.end(), std::greater_equal<>());
  if (fall != ids.end()) {
    throw base::UserError(name + ": expected rising passage ids, got " + std::to_string(*fall) +
                          " before " + std::to_string(*(fall + 1)) + " at row " +
                          std::to_string(fall - ids.begin()) + "; rebuild the snapshot");
  }
  std::vector<float> converted(static_cast<std::size_t>(shard.dimension()));
  const std::size_t dimension = converted.size();
  for (std::int64_t row = 0; row < shard.count(); ++row) {
    std::span<const float> vector;
    if (shard.vector_type() == VectorType::kFloat16) {
      index_tools::copy_vector(shard, row, converted);
      vector = converted;
    } else {
      vector = shard.vectors().subspan(static_cast<std::size_t>(row) * dimension, dimension);
    }
    if (first_unsound_row(vector, shard.dimension()) >= 0) {
      throw base::UserError(name + ": the vector in row " + std::to_string(row) +
                            " holds NaN or infinity, or is longer than 1e18; rebuild the snapshot");
    }
    if (metric != Metric::kCosine) continue;
    double squares = 0;
    for (const float x : vector) squares += static_cast<double>(x) * static_cast<double>(x);
    const double length = std::sqrt(squares);
    if (std::abs(length - 1) > kUnitLengthError) {
      throw base::UserError(name + ": the vector in row " + std::to_string(row) +
                            ": expected length 1 (metric cosine), got " + std::to_string(length) +
                            "; rebuild the snapshot");
    }
  }
}

std::span<const float> scored_queries(std::span<const float> queries, Metric metric,
                                      std::int32_t dimension, std::vector<float>& buffer) {
  if (metric != Metric::kCosine) return queries;
  buffer.assign(queries.begin(), queries.end());
  const std::int64_t zero_row = index_tools::normalise_rows(buffer, dimension);
  if (zero_row >= 0) {
    throw RetrievalError(RetrievalFault::kInvalid,
                         "query " + std::to_string(zero_row) +
                             " is zero and has no direction: expected a vector that is not "
                             "(metric cosine)");
  }
  return buffer;
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
