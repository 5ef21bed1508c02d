#include "retriever_pool/hit_merge.hpp"

#include <algorithm>

namespace rookery::retriever_pool {

std::vector<MergedHit> merge_hits(std::span<const std::span<const Hit>> sources, std::int32_t k) {
  std::vector<std::size_t> next(sources.size(), 0);
  std::vector<MergedHit> merged;
  while (std::ssize(merged) < k) {
    std::size_t best = sources.size();
    for (std::size_t s = 0; s < sources.size(); ++s) {
      if (next[s] == sources[s].size()) continue;
      if (best == sources.size() || better(sources[s][next[s]], sources[best][next[best]])) {
        best = s;
      }
    }
    if (best == sources.size()) break;
    const Hit hit = sources[best][next[best]];
    // The same passage scores the same bits everywhere, so a double stands right beside its twin.
    if (merged.empty() || merged.back().hit.id != hit.id) {
      merged.push_back(
          {hit, static_cast<std::int32_t>(best), static_cast<std::int32_t>(next[best])});
    }
    ++next[best];
  }
  return merged;
}

}  // namespace rookery::retriever_pool
