#pragma once

#include <memory>

#include "retriever_pool/shard_index.hpp"

namespace rookery::retriever_pool {

/// What an ivfpq search takes when neither request nor index says otherwise: 10 × k, at least this
/// many.
inline constexpr std::int32_t kPqCandidatesMin = 50;

/// `make_ivfpq_index` with a chosen instruction set, for tests and benchmarks. Queries of a batch
/// are spread over the team; hits depend on neither, nor on the batch.
///
/// A query reads the `nprobe` lists whose centroids are nearest, and more when a filter leaves
/// fewer than k rows there. The best `candidates` rows by their codes (equal ones by row) are
/// scored again by law 1 from the shard's vectors. Throws `UserError` when the file is unsound,
/// of another metric, or the shard has no vectors.
std::unique_ptr<ShardIndex> make_ivfpq_index(
    std::shared_ptr<const index_tools::SnapshotShard> shard, Metric metric,
    std::shared_ptr<SearchTeam> team, InstructionSet instructions);

}  // namespace rookery::retriever_pool
