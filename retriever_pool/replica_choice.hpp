#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace rookery::retriever_pool {

/// SplitMix64: small, seeded, the same on every machine.
class ChoiceRandom {
 public:
  explicit ChoiceRandom(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next();
  /// Uniform in [0, count) but for a bias below 2^-32; `count` is at least 1.
  std::size_t below(std::size_t count) { return static_cast<std::size_t>(next() % count); }

 private:
  std::uint64_t state_;
};

/// One replica that could be asked.
struct Candidate {
  std::size_t replica = 0;  ///< the caller's own number for it
  double cost = 0;          ///< (in flight + 1) × average latency
  bool suspect = false;
};

/// Power of two choices: of two drawn at random the cheaper, at equal cost the first drawn.
/// Suspects are taken only when there is nobody else. Nothing when there is no candidate. A choice
/// never changes a result: replicas of a shard hold the same bytes (law 6).
std::optional<std::size_t> choose_replica(std::span<const Candidate> candidates,
                                          ChoiceRandom& random);

}  // namespace rookery::retriever_pool
