#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "retriever_pool/exact_kernel.hpp"
#include "retriever_pool/retriever.hpp"

namespace rookery::serving {

/// A document with its vector, shared by the cache, pending events and the trace of one request.
using Passage = std::shared_ptr<const retriever_pool::Document>;

/// The documents one request has seen, searched with the pool's own kernel, metric and tie rule: if
/// the pool's best document is in here, `best` returns it. Bounded; what was inserted longest ago
/// goes first. Eviction costs hits, never correctness. Source: specs/ralmspec.md 2.1, 8.3.
class LocalCache {
 public:
  /// `passages_max` >= 1.
  LocalCache(retriever_pool::Metric metric, std::int32_t passages_max);
  /// Inserting an id again makes it the newest. A document without a vector throws
  /// `std::invalid_argument`.
  void insert(Passage passage);
  /// The best by (score falling, id rising); null when the cache is empty. A vector of another
  /// dimension throws `std::invalid_argument`.
  [[nodiscard]] Passage best(std::span<const float> query) const;
  [[nodiscard]] std::size_t size() const { return passages_.size(); }

 private:
  retriever_pool::Metric metric_;
  std::size_t passages_max_;
  std::vector<Passage> passages_;  ///< oldest first
};

}  // namespace rookery::serving
