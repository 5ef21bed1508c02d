#pragma once

#include <cstddef>
#include <cstdint>

#include "engine/detail/aligned.hpp"

namespace rookery::engine::detail {

/// Keys lie transposed in blocks of this many positions, the panels of the matrix product.
inline constexpr std::int32_t kKeyBlock = 32;

/// How a decoder's heads are laid out. Several query heads share one key-value head (GQA).
struct HeadLayout {
  std::int32_t heads = 0, kv_heads = 0, size = 0;
  [[nodiscard]] std::int32_t group() const { return heads / kv_heads; }
  [[nodiscard]] std::int32_t kv_floats() const { return kv_heads * size; }
};

/// Writes the key row of `position` into `[blocks, kv_floats, 32]`.
void store_key(float* keys, const float* row, std::int32_t kv_floats, std::int32_t position);

/// Causal attention of consecutive positions of one sequence for one key-value head.
struct AttentionTile {
  const float* keys = nullptr;  ///< one layer, `[blocks, kv_floats, 32]`
  const float* values =
      nullptr;  ///< one layer, `[positions, kv_floats]`, 32 floats behind readable
  const float* queries = nullptr;  ///< of the first position: all heads, already rotated
  std::size_t query_stride = 0;    ///< floats from position to position
  float* out = nullptr;            ///< like queries
  std::size_t out_stride = 0;
  std::int32_t first_position = 0, positions = 0;  ///< at most `attention_positions(layout)`
  std::int32_t kv_head = 0;
};

/// How many positions make a tile whose query rows fill the matrix product's registers.
[[nodiscard]] std::int32_t attention_positions(const HeadLayout& layout);

/// out = softmax(q · k / √size) · v over the positions up to the query's own. A position's bits do
/// not depend on the tile it is in: every score and every output is one sum, over the dimensions
/// resp. the positions in rising order. `scratch` grows as needed and is the caller's thread's own.
void attend(const HeadLayout& layout, const AttentionTile& tile, AlignedFloats& scratch);

}  // namespace rookery::engine::detail
