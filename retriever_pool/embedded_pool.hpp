#pragma once

#include <memory>
#include <vector>

#include "index_tools/snapshot.hpp"
#include "retriever_pool/retriever.hpp"

namespace rookery::retriever_pool {

/// The embedded pool over shards that are already open (`open_embedded_pool` opens them from a
/// snapshot). `threads` as in `EmbeddedPoolOptions`.
std::unique_ptr<Retriever> make_embedded_pool(
    std::vector<std::shared_ptr<const index_tools::SnapshotShard>> shards, IndexDescription index,
    int threads);

/// What a manifest says about its index.
IndexDescription describe_index(const index_tools::Manifest& manifest);

}  // namespace rookery::retriever_pool
