#include "retriever_pool/shard_indexes.hpp"

#include <algorithm>
#include <map>
#include <utility>

#include "base/error.hpp"
#include "retriever_pool/exact_kernel.hpp"
#include "retriever_pool/filter_resolver.hpp"

namespace rookery::retriever_pool {
namespace {

using index_tools::IndexKind;
using index_tools::SnapshotShard;

[[noreturn]] void refuse(const std::string& message) {
  throw RetrievalError(RetrievalFault::kInvalid, message);
}

std::unique_ptr<ShardIndex> open_kind(IndexKind kind,
                                      const std::shared_ptr<const SnapshotShard>& shard,
                                      Metric metric, const std::shared_ptr<SearchTeam>& team) {
  switch (kind) {
    case IndexKind::kExact:
      return make_exact_index(shard, metric, team);
    case IndexKind::kInt8:
      return make_int8_index(shard, metric, team);
    case IndexKind::kBm25:
      return make_bm25_index(shard, team);
    case IndexKind::kHnsw:
      return make_hnsw_index(shard, metric, team);
    case IndexKind::kIvfPq:
      return make_ivfpq_index(shard, metric, team);
  }
  return nullptr;
}

bool has_kind(const SnapshotShard& shard, IndexKind kind) {
  const bool vectors = shard.vector_type() != index_tools::VectorType::kNone;
  if (kind == IndexKind::kExact) return vectors;
  return !shard.file(index_tools::to_string(kind)).empty();
}

}  // namespace

std::string kind_names(const std::vector<IndexKind>& kinds) {
  std::string names;
  for (const IndexKind kind : kinds) {
    names += (names.empty() ? "" : ", ") + index_tools::to_string(kind);
  }
  return names.empty() ? "nothing" : names;
}

IndexKind resolve_default_kind(const std::vector<IndexKind>& kinds, std::optional<IndexKind> wanted,
                               const std::string& where) {
  if (kinds.empty()) {
    throw base::UserError(where +
                          ": expected vectors or a bm25 file to search, got neither; rebuild the "
                          "snapshot");
  }
  if (!wanted) {
    const bool exact = std::find(kinds.begin(), kinds.end(), IndexKind::kExact) != kinds.end();
    return exact ? IndexKind::kExact : kinds.back();  // bm25 has the highest number
  }
  if (std::find(kinds.begin(), kinds.end(), *wanted) == kinds.end()) {
    const std::string name = index_tools::to_string(*wanted);
    const std::string remedy = *wanted == IndexKind::kExact
                                   ? "rebuild the snapshot with vectors"
                                   : "add it with: rookery index add SNAPSHOT --index " + name;
    throw base::UserError(where + ": expected an index kind that is there (" + kind_names(kinds) +
                          "), got " + name + "; " + remedy);
  }
  return *wanted;
}

struct ShardIndexes::Impl {
  Impl(std::shared_ptr<const SnapshotShard> served, const std::shared_ptr<SearchTeam>& team,
       const ShardIndexesOptions& options)
      : shard(std::move(served)), tuning(options.tuning), filters(open_filters(options.filter)) {
    const std::string where = "shard " + std::to_string(shard->shard());
    for (const IndexKind kind : index_tools::index_kinds()) {
      if (!has_kind(*shard, kind)) continue;
      indexes[kind] = open_kind(kind, shard, parse_metric(options.metric), team);
      kinds.push_back(kind);
    }
    default_kind = resolve_default_kind(kinds, options.kind, where);
  }

  [[nodiscard]] std::unique_ptr<FilterResolver> open_filters(const PassageFilter& filter) const {
    try {
      return std::make_unique<FilterResolver>(shard, filter);
    } catch (const RetrievalError& error) {
      throw base::UserError(error.what());
    }
  }

  std::shared_ptr<const SnapshotShard> shard;
  SearchTuning tuning;
  std::unique_ptr<FilterResolver> filters;
  std::map<IndexKind, std::unique_ptr<ShardIndex>> indexes;
  std::vector<IndexKind> kinds;
  IndexKind default_kind = IndexKind::kExact;
};

ShardIndexes::ShardIndexes(std::shared_ptr<const SnapshotShard> shard,
                           const std::shared_ptr<SearchTeam>& team,
                           const ShardIndexesOptions& options)
    : impl_(std::make_unique<Impl>(std::move(shard), team, options)) {}
ShardIndexes::~ShardIndexes() = default;

const SnapshotShard& ShardIndexes::shard() const { return *impl_->shard; }
std::vector<IndexKind> ShardIndexes::kinds() const { return impl_->kinds; }
IndexKind ShardIndexes::default_kind() const { return impl_->default_kind; }

IndexKind ShardIndexes::kind_for(std::optional<IndexKind> wanted, bool texts) const {
  return resolve_request_kind(impl_->kinds, impl_->default_kind, wanted, texts);
}

IndexKind resolve_request_kind(const std::vector<IndexKind>& kinds, IndexKind default_kind,
                               std::optional<IndexKind> wanted, bool texts) {
  const IndexKind kind = wanted.value_or(texts ? IndexKind::kBm25 : default_kind);
  const std::string name = index_tools::to_string(kind);
  if (std::find(kinds.begin(), kinds.end(), kind) == kinds.end()) {
    refuse("kind: expected one that this pool has (" + kind_names(kinds) + "), got " + name);
  }
  if (texts && kind != IndexKind::kBm25) {
    refuse("texts: expected query vectors for " + name + ", got texts; bm25 takes them");
  }
  if (!texts && kind == IndexKind::kBm25) {
    refuse("queries: expected texts for bm25, got vectors; this pool has " + kind_names(kinds));
  }
  return kind;
}

const ShardIndex& ShardIndexes::index(IndexKind kind) const {
  const auto found = impl_->indexes.find(kind);
  if (found == impl_->indexes.end()) (void)kind_for(kind, kind == IndexKind::kBm25);
  return *found->second;
}

SearchTuning ShardIndexes::tuning(const SearchTuning& wanted) const {
  SearchTuning tuning = impl_->tuning;
  if (wanted.ef_search > 0) tuning.ef_search = wanted.ef_search;
  if (wanted.nprobe > 0) tuning.nprobe = wanted.nprobe;
  if (wanted.candidates > 0) tuning.candidates = wanted.candidates;
  return tuning;
}

std::shared_ptr<const RowSet> ShardIndexes::rows(const PassageFilter& filter) const {
  return impl_->filters->resolve(filter);
}

HitRows ShardIndexes::look_up(std::span<const std::int64_t> ids,
                              const PassageFilter& filter) const {
  const auto left = rows(filter);
  HitRows hits(ids.size());
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const auto row = impl_->shard->row_of(ids[i]);
    if (row && (!left || left->contains(*row))) hits[i].push_back({ids[i], 0.0F});
  }
  return hits;
}

}  // namespace rookery::retriever_pool
