#pragma once

#include <cstdint>

#include "engine/weights.hpp"

namespace rookery::testing {

/// A Llama of a few thousand random weights with every part the real one has: grouped heads, an
/// odd number of layers, sizes that are no multiple of a panel. Its vocabulary is 256 bytes, 30
/// merges and three control tokens (`<|endoftext|>` 0, `<|im_start|>` 1, `<|im_end|>` 2).
struct TinyLlama {
  std::int32_t hidden = 72, layers = 3, heads = 6, kv_heads = 2, intermediate = 100,
               positions = 256;
  bool tied = true;
  std::uint32_t seed = 7;
  [[nodiscard]] engine::Checkpoint checkpoint() const;
};

}  // namespace rookery::testing
