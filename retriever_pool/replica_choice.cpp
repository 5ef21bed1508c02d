#include "retriever_pool/replica_choice.hpp"

#include <algorithm>

namespace rookery::retriever_pool {
namespace {

constexpr double kCheaper = 0.8;  // times as dear: less is the noise of two averages

template <typename Predicate>
std::vector<Candidate> those(std::span<const Candidate> candidates, const Predicate& predicate) {
  std::vector<Candidate> result;
  std::copy_if(candidates.begin(), candidates.end(), std::back_inserter(result), predicate);
  return result;
}

}  // namespace

std::uint64_t ChoiceRandom::next() {
  std::uint64_t z = (state_ += 0x9E3779B97F4A7C15ULL);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
  return z ^ (z >> 31);
}

std::vector<Candidate> usable_candidates(std::span<const Candidate> candidates,
                                         const ChoiceRules& rules) {
  const auto well = [&](const Candidate& c) { return !c.suspect && (rules.panic || !c.ejected); };
  auto usable = those(candidates, well);
  if (usable.empty()) usable = those(candidates, [](const auto& c) { return !c.suspect; });
  if (usable.empty()) usable.assign(candidates.begin(), candidates.end());
  return usable;
}

std::optional<std::size_t> choose_replica(std::span<const Candidate> candidates,
                                          ChoiceRandom& random, const ChoiceRules& rules) {
  if (candidates.empty()) return std::nullopt;
  const std::vector<Candidate> usable = usable_candidates(candidates, rules);
  const std::size_t first = random.below(usable.size());
  if (usable.size() == 1 || rules.policy == ChoicePolicy::kRandom) return usable[first].replica;
  const std::size_t other = (first + 1 + random.below(usable.size() - 1)) % usable.size();
  const bool cheaper = usable[other].cost < kCheaper * usable[first].cost;
  return cheaper ? usable[other].replica : usable[first].replica;
}

}  // namespace rookery::retriever_pool
