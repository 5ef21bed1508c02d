#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "text/tokenizer.hpp"

namespace rookery::serving {

/// Remembers which tokens lie in each of a few KV caches, and finds the one that saves most work. A
/// request that goes back to the document before last, or rolls back, finds its prefix here.
class PrefixSlots {
 public:
  struct Choice {
    std::size_t slot = 0;
    std::int32_t keep = 0;  ///< tokens of the input that the slot holds; fewer than the input's
  };
  /// `slots` >= 1.
  explicit PrefixSlots(std::size_t slots);
  /// The slot that shares the longest prefix with `input`. One that would lose more than it saves
  /// is left alone for the slot used longest ago. Cuts the slot's record to `keep`: the caller cuts
  /// the cache.
  Choice choose(std::span<const text::TokenId> input);
  /// `tokens` were appended to the cache of `slot`.
  void append(std::size_t slot, std::span<const text::TokenId> tokens);
  [[nodiscard]] std::size_t count() const { return slots_.size(); }

 private:
  struct Slot {
    std::vector<text::TokenId> tokens;
    std::uint64_t used = 0;
  };
  std::vector<Slot> slots_;
  std::uint64_t clock_ = 0;
};

}  // namespace rookery::serving
