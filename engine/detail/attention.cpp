#include "engine/detail/attention.hpp"

#include <algorithm>
#include <cmath>

#include "engine/detail/kernels.hpp"

namespace rookery::engine::detail {

static_assert(kKeyBlock == kPanelColumns);

void store_key(float* keys, const float* row, std::int32_t kv_floats, std::int32_t position) {
  float* block = keys + static_cast<std::size_t>(position / kKeyBlock) *
                            static_cast<std::size_t>(kv_floats) * kKeyBlock;
  float* to = block + position % kKeyBlock;
  for (std::int32_t i = 0; i < kv_floats; ++i) to[static_cast<std::size_t>(i) * kKeyBlock] = row[i];
}

std::int32_t attention_positions(const HeadLayout& layout) {
  constexpr std::int32_t kRows = 12;
  return std::max(1, kRows / layout.group());
}

void attend(const HeadLayout& layout, const AttentionTile& tile, AlignedFloats& scratch) {
  const auto& code = kernels();
  const std::int32_t group = layout.group();
  const std::int32_t rows = tile.positions * group;
  const auto size = static_cast<std::size_t>(layout.size);
  const auto kv_floats = static_cast<std::size_t>(layout.kv_floats());
  const std::int32_t keys = tile.first_position + tile.positions;
  const auto score_stride = (static_cast<std::size_t>(keys) + 15) / 16 * 16;
  const auto query_floats = (static_cast<std::size_t>(rows) * size + 15) / 16 * 16;
  const auto scratch_floats = query_floats + static_cast<std::size_t>(rows) * score_stride;
  if (scratch.size() < scratch_floats) scratch.resize(scratch_floats);

  // The query rows of this head group side by side: position by position, head by head.
  const auto first_head = static_cast<std::size_t>(tile.kv_head) * static_cast<std::size_t>(group);
  float* queries = scratch.data();
  for (std::int32_t p = 0; p < tile.positions; ++p) {
    std::copy_n(tile.queries + static_cast<std::size_t>(p) * tile.query_stride + first_head * size,
                static_cast<std::size_t>(group) * size,
                queries + static_cast<std::size_t>(p * group) * size);
  }

  float* scores = scratch.data() + query_floats;
  Product score;
  score.x = queries;
  score.x_stride = size;
  score.rows = rows;
  score.weights = tile.keys + static_cast<std::size_t>(tile.kv_head) * size * kKeyBlock;
  score.panel_stride = kv_floats * kKeyBlock;
  score.inputs = layout.size;
  score.columns = keys;
  score.y = scores;
  score.y_stride = score_stride;
  code.multiply(score);

  const float scale = 1.0F / std::sqrt(static_cast<float>(layout.size));
  for (std::int32_t p = 0; p < tile.positions; ++p) {
    const std::int32_t seen = tile.first_position + p + 1;
    float* rows_of_position = scores + static_cast<std::size_t>(p * group) * score_stride;
    for (std::int32_t head = 0; head < group; ++head)
      code.softmax(rows_of_position + static_cast<std::size_t>(head) * score_stride, seen, scale);
    Product sum;
    sum.x = rows_of_position;
    sum.x_stride = score_stride;
    sum.rows = group;
    sum.weights = tile.values + static_cast<std::size_t>(tile.kv_head) * size;
    sum.panel_stride = kPanelColumns;
    sum.k_stride = kv_floats;
    sum.inputs = seen;
    sum.columns = layout.size;
    sum.y = tile.out + static_cast<std::size_t>(p) * tile.out_stride + first_head * size;
    sum.y_stride = size;
    code.multiply(sum);
  }
}

}  // namespace rookery::engine::detail
