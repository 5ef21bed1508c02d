#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "index_tools/index_spec.hpp"
#include "index_tools/snapshot.hpp"

namespace rookery::index_tools {

namespace detail {
class GenerationFile;
}

/// What a generation's index files are made of: all shards, rows complete.
struct IndexBuild {
  std::span<const std::shared_ptr<const SnapshotShard>> shards;
  std::string metric;
  int threads = 0;  ///< 0: all usable cores
  std::function<void(const IndexSpec& spec, std::int64_t rows_done, std::int64_t rows_total)>
      progress;  ///< may be empty
};

/// Gives the file of a shard by name (`hnsw`) to write into; the caller finishes it.
using IndexFileOpener =
    std::function<detail::GenerationFile&(std::int32_t shard, const std::string& name)>;

/// The specs that are needed for `specs`, in the order to build them, each kind once: an hnsw with
/// storage int8 brings int8 along. Two different specs of one kind are a `UserError`.
std::vector<IndexSpec> resolve_index_specs(const std::vector<IndexSpec>& specs);

/// Builds all files of one spec for all shards. Throws `UserError` for what cannot be built here:
/// dense kinds without vectors, hnsw and ivfpq on a machine without AVX2.
void build_index_files(const IndexBuild& build, const IndexSpec& spec, const IndexFileOpener& open);

}  // namespace rookery::index_tools
