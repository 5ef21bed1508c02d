#include "retriever_pool/embedded_pool.hpp"

#include <algorithm>

#include "base/checksum.hpp"
#include "base/error.hpp"
#include "retriever_pool/documents.hpp"
#include "retriever_pool/hit_merge.hpp"
#include "retriever_pool/request_checks.hpp"
#include "retriever_pool/shard_indexes.hpp"

namespace rookery::retriever_pool {
namespace {

using Clock = std::chrono::steady_clock;
using index_tools::IndexKind;
using std::chrono::microseconds;

/// The kinds that every shard has.
std::vector<IndexKind> common_kinds(const std::vector<std::unique_ptr<ShardIndexes>>& shards) {
  std::vector<IndexKind> common = shards.front()->kinds();
  for (const auto& shard : shards) {
    const auto kinds = shard->kinds();
    std::erase_if(common, [&](IndexKind kind) {
      return std::find(kinds.begin(), kinds.end(), kind) == kinds.end();
    });
  }
  return common;
}

class EmbeddedPool final : public Retriever {
 public:
  EmbeddedPool(const std::vector<std::shared_ptr<const index_tools::SnapshotShard>>& shards,
               IndexDescription index, const EmbeddedPoolOptions& options)
      : index_(std::move(index)) {
    if (options.threads < 0 || options.threads > 1024) {
      throw base::UserError("threads: expected an integer in [0, 1024], got " +
                            std::to_string(options.threads));
    }
    const auto team = std::make_shared<SearchTeam>(options.threads);
    const ShardIndexesOptions shard_options{index_.metric, options.kind, options.tuning,
                                            options.filter};
    for (const auto& shard : shards) {
      shards_.push_back(std::make_unique<ShardIndexes>(shard, team, shard_options));
    }
    index_.kinds = common_kinds(shards_);
    index_.default_kind = resolve_default_kind(index_.kinds, options.kind, "embedded pool");
  }

  RetrievalAnswer retrieve(const RetrievalRequest& request) override {
    const auto begin = Clock::now();
    check_request(request, index_);
    RetrievalAnswer answer;
    std::vector<HitRows> found;
    for (const auto& shard : shards_) {
      const auto start = Clock::now();
      found.push_back(search(*shard, request, begin + request.deadline));
      answer.search_time = std::max(answer.search_time,
                                    std::chrono::duration_cast<microseconds>(Clock::now() - start));
    }
    answer.rows.resize(found.front().size());
    std::vector<std::span<const Hit>> sources(found.size());
    const DocumentFields fields{request.want_passages, request.want_vectors,
                                request.float16_vectors};
    const std::int32_t k = request.ids.empty() ? request.k : 1;
    for (std::size_t row = 0; row < answer.rows.size(); ++row) {
      for (std::size_t s = 0; s < found.size(); ++s) sources[s] = found[s][row];
      for (const MergedHit& merged : merge_hits(sources, k)) {
        const auto& shard = shards_[static_cast<std::size_t>(merged.source)]->shard();
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
  [[nodiscard]] HitRows search(const ShardIndexes& shard, const RetrievalRequest& request,
                               Clock::time_point deadline) const {
    if (!request.ids.empty()) return shard.look_up(request.ids, request.filter);
    const IndexKind kind = resolve_request_kind(index_.kinds, index_.default_kind, request.kind,
                                                !request.texts.empty());
    SearchBatch batch;
    batch.queries = request.queries;
    batch.texts = request.texts;
    batch.k = request.k;
    batch.deadline = deadline;
    batch.tuning = shard.tuning(request.tuning);
    batch.rows = shard.rows(request.filter);
    return shard.index(kind).search(batch);
  }

  std::vector<std::unique_ptr<ShardIndexes>> shards_;
  IndexDescription index_;
};

/// Names come with it, so that a shard's file cannot stand for another's.
std::string files_digest(const index_tools::Manifest& manifest) {
  std::string list;
  for (const auto& shard : manifest.shards) {
    for (const auto& file : shard.files) {
      list += file.path + ' ' + std::to_string(file.bytes) + ' ' + file.sha256 + '\n';
    }
  }
  return base::sha256_hex(std::as_bytes(std::span(list)));
}

}  // namespace

std::unique_ptr<Retriever> make_embedded_pool(
    const std::vector<std::shared_ptr<const index_tools::SnapshotShard>>& shards,
    IndexDescription index, const EmbeddedPoolOptions& options) {
  if (shards.empty()) throw base::UserError("embedded pool: expected at least one shard, got none");
  return std::make_unique<EmbeddedPool>(shards, std::move(index), options);
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
  index.files_digest = files_digest(manifest);
  for (const IndexKind kind : index_tools::index_kinds()) {
    const bool everywhere =
        std::all_of(manifest.shards.begin(), manifest.shards.end(), [&](const auto& shard) {
          const bool exact = kind == IndexKind::kExact;
          return shard.find(exact ? "vectors" : index_tools::to_string(kind)) != nullptr;
        });
    if (everywhere && !manifest.shards.empty()) index.kinds.push_back(kind);
  }
  if (!index.kinds.empty()) {
    index.default_kind = resolve_default_kind(index.kinds, std::nullopt, "manifest");
  }
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
  return make_embedded_pool(shards, describe_index(manifest), options);
}

}  // namespace rookery::retriever_pool
