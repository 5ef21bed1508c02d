#pragma once

#include <memory>
#include <vector>

#include "index_tools/snapshot.hpp"
#include "retriever_pool/retriever.hpp"

namespace rookery::retriever_pool {

/// The embedded pool over shards that are already open (`open_embedded_pool` opens them from a
/// snapshot); `options.snapshot` is not looked at. Kinds and default kind of its description are
/// those of the shards: a kind that is not in all of them is a `UserError`.
std::unique_ptr<Retriever> make_embedded_pool(
    const std::vector<std::shared_ptr<const index_tools::SnapshotShard>>& shards,
    IndexDescription index, const EmbeddedPoolOptions& options = {});

/// What a manifest says about its index. Kinds are those that every shard has the files for, the
/// default is that of a pool without options.
IndexDescription describe_index(const index_tools::Manifest& manifest);

}  // namespace rookery::retriever_pool
