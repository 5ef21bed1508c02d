#pragma once

#include <cstdint>

#include "retriever_pool/row_set.hpp"

namespace rookery::retriever_pool {

/// Whether a filtered search scores the rows that are left one by one instead of walking: when they
/// are few beside the shard (under 5 %), or so few that a walk would score as many.
bool scan_instead_of_walk(const RowSet& rows, std::int32_t ef);

}  // namespace rookery::retriever_pool
