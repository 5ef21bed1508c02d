#pragma once

#include "engine/detail/kernels.hpp"
#include "engine/detail/vector_math.hpp"

namespace rookery::engine::detail {

// Everything here is a template over the vector type V: the three units that include it, each
// compiled for another instruction set, then share no symbol. For the same reason nothing of the
// standard library with inline code is used.

/// Square root, correctly rounded on every CPU.
template <class V>
inline float square_root(float value) {
  return __builtin_sqrtf(value);
}

/// R rows × (P panels of C vectors), C·16 columns from `column` on within each panel.
template <class V, int R, int P, int C>
inline void multiply_tile(const Product& p, const float* x, const float* w, std::int32_t column,
                          float* y) {
  V sum[R][P * C];
  // Every loop over the tile is unrolled, so that `sum` lives in registers.
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
    for (int c = 0; c < P * C; ++c) sum[r][c] = V::broadcast(0.0F);
  }
  const float* panel = w;
  for (std::int32_t k = 0; k < p.inputs; ++k) {
    V weight[P * C];
#pragma GCC unroll 8
    for (int q = 0; q < P; ++q) {
#pragma GCC unroll 2
      for (int c = 0; c < C; ++c) {
        weight[q * C + c] = V::load(panel + static_cast<std::size_t>(q) * p.panel_stride + c * 16);
      }
      const float* ahead = panel + static_cast<std::size_t>(q) * p.panel_stride + 16 * p.k_stride;
      __builtin_prefetch(ahead);
      if constexpr (C == 2) __builtin_prefetch(ahead + 16);
    }
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
      const V value = V::broadcast(x[static_cast<std::size_t>(r) * p.x_stride + k]);
#pragma GCC unroll 8
      for (int c = 0; c < P * C; ++c) sum[r][c] = V::fma(value, weight[c], sum[r][c]);
    }
    panel += p.k_stride;
  }
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
    for (int c = 0; c < P * C; ++c) {
      const std::int32_t at = column + (c / C) * kPanelColumns + (c % C) * 16;
      const std::int32_t left = p.columns - at;
      if (left <= 0) continue;
      float* to = y + static_cast<std::size_t>(r) * p.y_stride + at;
      if (left >= 16) {
        const V value = p.bias == nullptr ? sum[r][c] : sum[r][c] + V::load(p.bias + at);
        value.store(to);
      } else {
        const V value =
            p.bias == nullptr ? sum[r][c] : sum[r][c] + V::load_first(p.bias + at, left);
        value.store_first(to, left);
      }
    }
  }
}

/// Rows 1 … R-1 that are left behind the full tiles.
template <class V, int R, int C>
inline void multiply_rest(const Product& p, std::int32_t rows, const float* x, const float* w,
                          std::int32_t column, float* y) {
  if constexpr (R > 0) {
    if (rows == R) {
      multiply_tile<V, R, 1, C>(p, x, w, column, y);
    } else {
      multiply_rest<V, R - 1, C>(p, rows, x, w, column, y);
    }
  }
}

/// All rows of one panel.
template <class V>
inline void multiply_panel(const Product& p, const float* w, std::int32_t first_column) {
  constexpr int kRows = V::kTileRows;
  constexpr int kColumns = V::kTileVectors * 16;
  for (std::int32_t c = 0; c < kPanelColumns; c += kColumns) {
    if (first_column + c >= p.columns) break;
    std::int32_t row = 0;
    while (row < p.rows) {
      // 13 rows are 7 + 6, not 12 + 1: a tile of one row waits for its own sums.
      const std::int32_t left = p.rows - row;
      const std::int32_t now = left <= kRows ? left : (left >= 2 * kRows ? kRows : (left + 1) / 2);
      const float* x = p.x + static_cast<std::size_t>(row) * p.x_stride;
      float* y = p.y + static_cast<std::size_t>(row) * p.y_stride;
      multiply_rest<V, kRows, V::kTileVectors>(p, now, x, w + c, first_column + c, y);
      row += now;
    }
  }
}

/// R rows of P panels, from vector c of each on.
template <class V, int R, int P>
inline void multiply_panels(const Product& p, std::int32_t panel, int c) {
  multiply_tile<V, R, P, V::kTileVectors>(
      p, p.x, p.weights + static_cast<std::size_t>(panel) * p.panel_stride + c * 16,
      panel * kPanelColumns + c * 16, p.y);
}

template <class V>
void multiply(const Product& p) {
  const std::int32_t panels = (p.columns + kPanelColumns - 1) / kPanelColumns;
  std::int32_t panel = 0;
  if (p.rows <= 2) {
    // Few rows: several panels at once hide the latency of the multiply-adds, and several streams
    // that of memory.
    for (; panel + 4 <= panels; panel += 4) {
      for (int c = 0; c < 2; c += V::kTileVectors) {
        if (p.rows == 1) {
          multiply_panels<V, 1, 4>(p, panel, c);
        } else if (V::kTileVectors == 2) {
          multiply_panels<V, 2, 4>(p, panel, c);
        } else {
          multiply_panels<V, 2, 2>(p, panel, c);
          multiply_panels<V, 2, 2>(p, panel + 2, c);
        }
      }
    }
  }
  if (panel == panels) return;
  // Some 256 KiB of rows stay in the second cache while all panels pass over them.
  const std::int32_t fitting = 65'536 / (p.inputs > 0 ? p.inputs : 1);
  const std::int32_t block_rows =
      fitting < V::kTileRows ? V::kTileRows : fitting - fitting % V::kTileRows;
  for (std::int32_t row = 0; row < p.rows; row += block_rows) {
    Product block = p;
    block.x += static_cast<std::size_t>(row) * p.x_stride;
    block.y += static_cast<std::size_t>(row) * p.y_stride;
    block.rows = p.rows - row < block_rows ? p.rows - row : block_rows;
    for (std::int32_t at = panel; at < panels; ++at) {
      multiply_panel<V>(block, p.weights + static_cast<std::size_t>(at) * p.panel_stride,
                        at * kPanelColumns);
    }
  }
}

template <class V>
float dot(const float* a, const float* b, std::int32_t count) {
  V sum = V::broadcast(0.0F);
  std::int32_t i = 0;
  for (; i + 16 <= count; i += 16) sum = V::fma(V::load(a + i), V::load(b + i), sum);
  if (i < count) {
    sum = V::fma(V::load_first(a + i, count - i), V::load_first(b + i, count - i), sum);
  }
  return sum_lanes(sum);
}

template <class V>
void add_scaled(float* y, const float* x, float scale, std::int32_t count) {
  const V factor = V::broadcast(scale);
  std::int32_t i = 0;
  for (; i + 16 <= count; i += 16) V::fma(factor, V::load(x + i), V::load(y + i)).store(y + i);
  if (i < count) {
    V::fma(factor, V::load_first(x + i, count - i), V::load_first(y + i, count - i))
        .store_first(y + i, count - i);
  }
}

template <class V>
void softmax(float* row, std::int32_t count, float scale) {
  const V factor = V::broadcast(scale);
  const V lowest = V::broadcast(-3.0e38F);
  const std::int32_t whole = count - count % 16;
  const std::int32_t left = count - whole;
  V best = lowest;
  for (std::int32_t i = 0; i < whole; i += 16) best = V::max(V::load(row + i) * factor, best);
  float lanes[16];
  best.store(lanes);
  float top = lanes[0];
  for (const float lane : lanes) top = lane > top ? lane : top;
  for (std::int32_t i = whole; i < count; ++i) {
    const float value = row[i] * scale;
    top = value > top ? value : top;
  }
  const V shift = V::broadcast(top);
  V sum = V::broadcast(0.0F);
  for (std::int32_t i = 0; i < whole; i += 16) {
    const V e = exp(V::load(row + i) * factor - shift);
    e.store(row + i);
    sum = sum + e;
  }
  if (left > 0) {
    const V e = exp(V::load_first(row + whole, left) * factor - shift);
    e.store_first(row + whole, left);
    sum = sum + V::load_first(row + whole, left);  // lanes behind the end count 0
  }
  const V inverse = V::broadcast(1.0F / sum_lanes(sum));
  for (std::int32_t i = 0; i < whole; i += 16) (V::load(row + i) * inverse).store(row + i);
  if (left > 0) {
    (V::load_first(row + whole, left) * inverse).store_first(row + whole, left);
  }
}

template <class V>
void gelu(float* values, std::size_t count) {
  std::size_t i = 0;
  for (; i + 16 <= count; i += 16) gelu(V::load(values + i)).store(values + i);
  const int left = static_cast<int>(count - i);
  if (left > 0) gelu(V::load_first(values + i, left)).store_first(values + i, left);
}

template <class V>
void silu_multiply(float* gate, const float* up, std::size_t count) {
  std::size_t i = 0;
  for (; i + 16 <= count; i += 16) (silu(V::load(gate + i)) * V::load(up + i)).store(gate + i);
  const int left = static_cast<int>(count - i);
  if (left > 0) {
    (silu(V::load_first(gate + i, left)) * V::load_first(up + i, left)).store_first(gate + i, left);
  }
}

template <class V>
void add_layer_norm(float* x, const float* residual, const float* weight, const float* bias,
                    float eps, std::int32_t count) {
  const std::int32_t whole = count - count % 16;
  const std::int32_t left = count - whole;
  V sum = V::broadcast(0.0F);
  for (std::int32_t i = 0; i < whole; i += 16) {
    V value = V::load(x + i);
    if (residual != nullptr) {
      value = value + V::load(residual + i);
      value.store(x + i);
    }
    sum = sum + value;
  }
  if (left > 0) {
    V value = V::load_first(x + whole, left);
    if (residual != nullptr) {
      value = value + V::load_first(residual + whole, left);
      value.store_first(x + whole, left);
    }
    sum = sum + value;
  }
  const float mean = sum_lanes(sum) / static_cast<float>(count);
  const V centre = V::broadcast(mean);
  V square = V::broadcast(0.0F);
  for (std::int32_t i = 0; i < whole; i += 16) {
    const V value = V::load(x + i) - centre;
    square = V::fma(value, value, square);
  }
  if (left > 0) {
    float tail[16] = {};
    for (std::int32_t i = 0; i < left; ++i) tail[i] = x[whole + i] - mean;
    const V value = V::load(tail);
    square = V::fma(value, value, square);
  }
  const float variance = sum_lanes(square) / static_cast<float>(count);
  const V factor = V::broadcast(1.0F / square_root<V>(variance + eps));
  for (std::int32_t i = 0; i < whole; i += 16) {
    V::fma((V::load(x + i) - centre) * factor, V::load(weight + i), V::load(bias + i)).store(x + i);
  }
  if (left > 0) {
    V::fma((V::load_first(x + whole, left) - centre) * factor, V::load_first(weight + whole, left),
           V::load_first(bias + whole, left))
        .store_first(x + whole, left);
  }
}

template <class V>
void rms_norm(const float* x, const float* weight, float eps, std::int32_t count, float* y) {
  const float mean = dot<V>(x, x, count) / static_cast<float>(count);
  const V factor = V::broadcast(1.0F / square_root<V>(mean + eps));
  std::int32_t i = 0;
  for (; i + 16 <= count; i += 16) {
    (V::load(x + i) * factor * V::load(weight + i)).store(y + i);
  }
  if (i < count) {
    (V::load_first(x + i, count - i) * factor * V::load_first(weight + i, count - i))
        .store_first(y + i, count - i);
  }
}

template <class V>
inline constexpr Kernels kKernelsOf = {&multiply<V>,       &dot<V>,     &add_scaled<V>,
                                       &softmax<V>,        &gelu<V>,    &silu_multiply<V>,
                                       &add_layer_norm<V>, &rms_norm<V>};

}  // namespace rookery::engine::detail
