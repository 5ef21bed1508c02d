#include "retriever_pool/replica_choice.hpp"

#include <algorithm>

namespace rookery::retriever_pool {

std::uint64_t ChoiceRandom::next() {
  std::uint64_t z = (state_ += 0x9E3779B97F4A7C15ULL);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
  return z ^ (z >> 31);
}

std::optional<std::size_t> choose_replica(std::span<const Candidate> candidates,
                                          ChoiceRandom& random) {
  if (candidates.empty()) return std::nullopt;
  const bool all_suspect = std::all_of(candidates.begin(), candidates.end(),
                                       [](const Candidate& c) { return c.suspect; });
  std::vector<Candidate> usable;
  for (const Candidate& candidate : candidates) {
    if (all_suspect || !candidate.suspect) usable.push_back(candidate);
  }
  const std::size_t first = random.below(usable.size());
  if (usable.size() == 1) return usable[first].replica;
  const std::size_t other = (first + 1 + random.below(usable.size() - 1)) % usable.size();
  return usable[other].cost < usable[first].cost ? usable[other].replica : usable[first].replica;
}

}  // namespace rookery::retriever_pool
