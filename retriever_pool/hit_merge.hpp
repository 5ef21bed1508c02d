#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "retriever_pool/exact_kernel.hpp"

namespace rookery::retriever_pool {

/// Where a merged hit came from.
struct MergedHit {
  Hit hit;
  std::int32_t source = 0;    ///< index into `sources`
  std::int32_t position = 0;  ///< index into that source's list
};

/// The best `k` of several lists, each already in the one order of results (law 1). An id that
/// stands in more than one list is taken once.
std::vector<MergedHit> merge_hits(std::span<const std::span<const Hit>> sources, std::int32_t k);

}  // namespace rookery::retriever_pool
