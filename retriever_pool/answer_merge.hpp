#pragma once

#include <cstdint>
#include <vector>

#include "retriever_pool/retriever.hpp"
#include "retriever_pool/wire_bodies.hpp"

namespace rookery::retriever_pool {

/// Makes one answer of all shards' answers to the same queries: rows, counts of shards and the
/// slowest search; the caller fills in the rest. Exact: the best k of the whole index in the one
/// order of results (law 1).
RetrievalAnswer merge_answers(std::vector<wire::AnswerBody> shards, std::int32_t k);

}  // namespace rookery::retriever_pool
