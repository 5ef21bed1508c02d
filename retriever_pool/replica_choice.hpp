#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "retriever_pool/retriever.hpp"

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
  bool suspect = false;     ///< silent
  bool ejected = false;     ///< it failed or lags behind: see OutlierDetector
};

struct ChoiceRules {
  /// Under half of the shard's replicas are well: ask the ejected ones too, or else the rest would
  /// break under the load.
  bool panic = false;
  ChoicePolicy policy = ChoicePolicy::kPowerOfTwo;
};

/// Who may be asked: neither suspect nor, but for a panic, ejected. Where that leaves nobody, the
/// ejected ones, and at last the suspects.
std::vector<Candidate> usable_candidates(std::span<const Candidate> candidates,
                                         const ChoiceRules& rules);

/// Power of two choices: of two drawn at random among the usable the cheaper, the first drawn where
/// they cost about the same, so that many clients do not flock to one replica. Nothing when there
/// is no candidate. A choice never changes a result: replicas of a shard hold the same bytes (law
/// 6).
std::optional<std::size_t> choose_replica(std::span<const Candidate> candidates,
                                          ChoiceRandom& random, const ChoiceRules& rules = {});

}  // namespace rookery::retriever_pool
