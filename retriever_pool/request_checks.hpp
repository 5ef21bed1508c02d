#pragma once

#include <cstdint>
#include <optional>

#include "retriever_pool/retriever.hpp"

namespace rookery::retriever_pool {

/// Limits of a request's `SearchTuning`.
inline constexpr std::int32_t kEfSearchMax = 65'536;
inline constexpr std::int32_t kNprobeMax = 1'048'576;
inline constexpr std::int32_t kCandidatesMax = 1'048'576;

/// Queries of a request that passed `check_request`.
std::int32_t batch_of(const RetrievalRequest& request, std::int32_t dimension);

/// What client and server refuse alike, with `RetrievalError` (kInvalid) that names what was
/// expected and what came: not exactly one of queries, texts and ids; a kind that is not in
/// `index.kinds` (unless that is empty: a head of an older version does not tell) or that takes the
/// other sort of query; what `check_queries` refuses; a zero vector under cosine; more than
/// `kBatchMax` texts or ids; a text over its limit; numbers of `tuning` outside [0, limit]; a
/// filter over its limits.
void check_request(const RetrievalRequest& request, const IndexDescription& index);

}  // namespace rookery::retriever_pool
