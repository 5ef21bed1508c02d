#pragma once

#include <cstdint>
#include <string_view>

#include "index_tools/bm25_postings.hpp"

namespace rookery::retriever_pool {

/// The BM25 score of one (query, passage) pair, the same bits as a search gives; 0 when no term
/// matches. What the speculation cache ranks with: a shard's `bm25` file holds the statistics of
/// the whole corpus, so any shard scores any text.
float bm25_score(const index_tools::Bm25Postings& statistics, std::string_view query,
                 std::string_view title, std::string_view text);

}  // namespace rookery::retriever_pool
