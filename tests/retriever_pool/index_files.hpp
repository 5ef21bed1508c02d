#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "index_tools/index_spec.hpp"
#include "memory_shard.hpp"

namespace rookery::retriever_pool::testing {

/// The kinds that the contract suite runs with.
inline std::vector<index_tools::IndexKind> kinds_in_test() {
  return {index_tools::IndexKind::kExact};
}

/// What shards that were made for this kind can be searched with: exact is always there.
inline std::vector<index_tools::IndexKind> kinds_of(index_tools::IndexKind kind) {
  using index_tools::IndexKind;
  if (kind == IndexKind::kExact) return {kind};
  return {IndexKind::kExact, kind};
}

/// What an entry stands for, when the corpus is a datastore.
inline std::int32_t value_of(std::int64_t id) { return static_cast<std::int32_t>(id * 7 - 100); }

/// The shards of a corpus with values and the index file of this kind.
inline std::vector<std::shared_ptr<const index_tools::SnapshotShard>> indexed_shards(
    const Corpus& corpus, std::int32_t shards, const std::string& /*metric*/,
    index_tools::IndexKind /*kind*/) {
  const auto parts = corpus.memory_shards(shards);
  for (const auto& part : parts) {
    std::vector<std::int32_t> values;
    for (const std::int64_t id : part->ids()) values.push_back(value_of(id));
    part->set_values(std::move(values));
  }
  return {parts.begin(), parts.end()};
}

}  // namespace rookery::retriever_pool::testing
