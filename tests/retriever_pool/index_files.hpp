#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/atomic_file.hpp"
#include "index_tools/bm25_postings.hpp"
#include "index_tools/detail/generation_file.hpp"
#include "index_tools/hnsw_graph.hpp"
#include "index_tools/index_spec.hpp"
#include "index_tools/int8_codes.hpp"
#include "index_tools/ivfpq_lists.hpp"
#include "memory_shard.hpp"
#include "tests/support/temp_folder.hpp"

namespace rookery::retriever_pool::testing {

/// The kinds that the contract suite runs with.
inline std::vector<index_tools::IndexKind> kinds_in_test() {
  using index_tools::IndexKind;
  return {IndexKind::kExact, IndexKind::kInt8, IndexKind::kHnsw, IndexKind::kIvfPq,
          IndexKind::kBm25};
}

/// What shards that were made for this kind can be searched with: exact is always there.
inline std::vector<index_tools::IndexKind> kinds_of(index_tools::IndexKind kind) {
  using index_tools::IndexKind;
  if (kind == IndexKind::kExact) return {kind};
  return {IndexKind::kExact, kind};
}

/// What an entry stands for, when the corpus is a datastore.
inline std::int32_t value_of(std::int64_t id) { return static_cast<std::int32_t>(id * 7 - 100); }

/// Builds the index file of a kind for all shards, through a temporary folder.
inline void add_index_files(const std::vector<std::shared_ptr<MemoryShard>>& parts,
                            const std::string& metric, index_tools::IndexKind kind) {
  using index_tools::IndexKind;
  if (kind == IndexKind::kExact) return;
  const rookery::testing::TempFolder folder;
  const std::vector<std::shared_ptr<const index_tools::SnapshotShard>> shards(parts.begin(),
                                                                              parts.end());
  index_tools::Bm25Statistics statistics;
  if (kind == IndexKind::kBm25) statistics = index_tools::collect_bm25_statistics(shards);
  index_tools::IvfPqModel model;
  if (kind == IndexKind::kIvfPq) {
    model = index_tools::train_ivfpq(shards, metric, {.nlist = 16, .pq_bytes = 8, .nprobe = 3}, 1);
  }
  for (const auto& part : parts) {
    const std::string name = std::to_string(part->shard());
    index_tools::detail::GenerationFile file(folder.path(), name);
    if (kind == IndexKind::kInt8) index_tools::write_int8_codes(*part, file);
    if (kind == IndexKind::kHnsw) {
      index_tools::write_hnsw_graph(*part, metric, {.m = 8, .ef_construction = 40, .ef_search = 16},
                                    2, file);
    }
    if (kind == IndexKind::kIvfPq) {
      index_tools::write_ivfpq_lists(*part, metric, model, 1, file);
    }
    if (kind == IndexKind::kBm25) index_tools::write_bm25_postings(*part, statistics, {}, file);
    (void)file.finish();
    part->set_file(index_tools::to_string(kind), base::read_file(folder.path() / name));
  }
}

/// The shards of a corpus with values and the index file of this kind.
inline std::vector<std::shared_ptr<const index_tools::SnapshotShard>> indexed_shards(
    const Corpus& corpus, std::int32_t shards, const std::string& metric,
    index_tools::IndexKind kind) {
  const auto parts = corpus.memory_shards(shards);
  for (const auto& part : parts) {
    std::vector<std::int32_t> values;
    for (const std::int64_t id : part->ids()) values.push_back(value_of(id));
    part->set_values(std::move(values));
  }
  add_index_files(parts, metric, kind);
  return {parts.begin(), parts.end()};
}

}  // namespace rookery::retriever_pool::testing
