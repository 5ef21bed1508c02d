#include "retriever_pool/embedded_pool.hpp"

#include "base/error.hpp"
#include "retriever_pool/documents.hpp"
#include "retriever_pool/hit_merge.hpp"
#include "retriever_pool/shard_index.hpp"

namespace rookery::retriever_pool {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::microseconds;

class EmbeddedPool final : public Retriever {
 public:
  EmbeddedPool(std::vector<std::shared_ptr<const index_tools::SnapshotShard>> shards,
               IndexDescription index, int threads)
      : shards_(std::move(shards)), index_(std::move(index)) {
    if (threads < 0 || threads > 1024) {
      throw base::UserError("threads: expected an integer in [0, 1024], got " +
                            std::to_string(threads));
    }
    const auto team = std::make_shared<SearchTeam>(threads);
    for (const auto& shard : shards_) {
      indexes_.push_back(make_exact_index(shard, parse_metric(index_.metric), team));
    }
  }

  RetrievalAnswer retrieve(const RetrievalRequest& request) override {
    const auto begin = Clock::now();
    check_queries(request.queries, request.k, index_.dimension);
    SearchBatch batch;
    batch.queries = request.queries;
    batch.k = request.k;
    batch.deadline = begin + request.deadline;
    std::vector<HitRows> found;
    RetrievalAnswer answer;
    for (const auto& index : indexes_) {
      const auto start = Clock::now();
      found.push_back(index->search(batch));
      answer.search_time = std::max(answer.search_time,
                                    std::chrono::duration_cast<microseconds>(Clock::now() - start));
    }
    answer.rows.resize(found.front().size());
    std::vector<std::span<const Hit>> sources(found.size());
    const DocumentFields fields{request.want_passages, request.want_vectors};
    for (std::size_t row = 0; row < answer.rows.size(); ++row) {
      for (std::size_t s = 0; s < found.size(); ++s) sources[s] = found[s][row];
      for (const MergedHit& merged : merge_hits(sources, request.k)) {
        const auto& shard = *shards_[static_cast<std::size_t>(merged.source)];
        answer.rows[row].push_back(make_document(shard, merged.hit, fields));
      }
    }
    answer.generation = index_.generation;
    answer.shards_answered = answer.shards_wanted = static_cast<std::int32_t>(shards_.size());
    answer.attempts = answer.shards_wanted;
    answer.total_time = std::chrono::duration_cast<microseconds>(Clock::now() - begin);
    if (answer.total_time > request.deadline) {
      throw RetrievalError(RetrievalFault::kDeadline, "the deadline passed during the search");
    }
    return answer;
  }

  IndexDescription description() override { return index_; }

 private:
  std::vector<std::shared_ptr<const index_tools::SnapshotShard>> shards_;
  std::vector<std::unique_ptr<ShardIndex>> indexes_;
  IndexDescription index_;
};

}  // namespace

std::unique_ptr<Retriever> make_embedded_pool(
    std::vector<std::shared_ptr<const index_tools::SnapshotShard>> shards, IndexDescription index,
    int threads) {
  if (shards.empty()) throw base::UserError("embedded pool: expected at least one shard, got none");
  return std::make_unique<EmbeddedPool>(std::move(shards), std::move(index), threads);
}

IndexDescription describe_index(const index_tools::Manifest& manifest) {
  IndexDescription index;
  index.generation = manifest.generation;
  index.metric = manifest.metric;
  index.encoder_hash = manifest.encoder.model_hash;
  index.encoder_name = manifest.encoder.name;
  index.pooling = manifest.encoder.pooling;
  index.normalised = manifest.encoder.normalised;
  index.dimension = manifest.dimension;
  index.shards = static_cast<std::int32_t>(manifest.shards.size());
  index.passages = manifest.passages;
  index.sources = manifest.sources;
  return index;
}

std::unique_ptr<Retriever> open_embedded_pool(const EmbeddedPoolOptions& options) {
  const index_tools::Manifest manifest = index_tools::load_manifest(options.snapshot);
  std::vector<std::shared_ptr<const index_tools::SnapshotShard>> shards;
  // The generation that the manifest was read from, even when CURRENT moves on meanwhile.
  const auto generation = index_tools::resolve_generation(options.snapshot);
  for (const auto& shard : manifest.shards) {
    shards.push_back(index_tools::open_shard(generation, shard.shard));
  }
  return make_embedded_pool(std::move(shards), describe_index(manifest), options.threads);
}

}  // namespace rookery::retriever_pool
