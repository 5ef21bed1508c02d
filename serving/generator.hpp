#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "text/tokenizer.hpp"

namespace rookery::serving {

/// What a language model says next.
struct Continuation {
  std::vector<text::TokenId> tokens;  ///< without the end-of-sequence token
  bool ended = false;                 ///< end of sequence followed behind `tokens`
  std::int64_t evaluated = 0;         ///< tokens that went through the model; the rest was in KV
};

/// A greedy language model. The answer depends on `input` alone (law 4); what the implementation
/// keeps from former calls only saves work. One thread at a time.
class Generator {
 public:
  virtual ~Generator() = default;
  /// Continues behind `input` (not empty) by at most `tokens_max` >= 1 tokens, fewer only at the
  /// end of the sequence. Throws `std::invalid_argument` when all together do not fit
  /// `positions_max`.
  [[nodiscard]] virtual Continuation continue_greedily(std::span<const text::TokenId> input,
                                                       std::int32_t tokens_max) = 0;
  [[nodiscard]] virtual std::int32_t positions_max() const = 0;
  /// Drops what is kept from former calls. Changes no answer; for measurements.
  virtual void forget() {}
};

}  // namespace rookery::serving
