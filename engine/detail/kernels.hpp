#pragma once

#include "engine/detail/instruction_set.hpp"

#include <cstddef>
#include <cstdint>

namespace rookery::engine::detail {

inline constexpr std::int32_t kPanelColumns = 32;

/// y[r, c] = Σ_k x[r, k] · w[k, c] (+ bias[c]) over panels of 32 columns. w[k, c] lies at
/// `weights[(c / 32) · panel_stride + k · k_stride + c % 32]`; all 32 columns of a last panel must
/// be readable, only `columns` are written. Strides are in floats.
struct Product {
  const float* x = nullptr;
  std::size_t x_stride = 0;
  std::int32_t rows = 0;
  const float* weights = nullptr;
  std::size_t panel_stride = 0;
  std::size_t k_stride = kPanelColumns;
  std::int32_t inputs = 0;
  std::int32_t columns = 0;
  const float* bias = nullptr;  ///< null: none
  float* y = nullptr;
  std::size_t y_stride = 0;
};

/// The inner loops in one instruction set. Every function is in fixed order: its bits are the same
/// in all sets. Sums over a row take 16 lanes, lane i elements i, i+16, …, and one fixed tree.
struct Kernels {
  /// One accumulator an output, k strictly rising, fused multiply-add; bias added last.
  void (*multiply)(const Product& product);
  float (*dot)(const float* a, const float* b, std::int32_t count);
  /// y += scale · x, fused.
  void (*add_scaled)(float* y, const float* x, float scale, std::int32_t count);
  /// row ← softmax(scale · row).
  void (*softmax)(float* row, std::int32_t count, float scale);
  /// values ← x · Φ(x).
  void (*gelu)(float* values, std::size_t count);
  /// gate ← silu(gate) · up.
  void (*silu_multiply)(float* gate, const float* up, std::size_t count);
  /// x ← LayerNorm(x + residual) · weight + bias; `residual` may be null.
  void (*add_layer_norm)(float* x, const float* residual, const float* weight, const float* bias,
                         float eps, std::int32_t count);
  /// y ← x / rms(x) · weight.
  void (*rms_norm)(const float* x, const float* weight, float eps, std::int32_t count, float* y);
};

/// The table of one set; the caller sees to it that the CPU supports it.
[[nodiscard]] const Kernels& kernels(InstructionSet set);
/// The table of `best_instruction_set()`.
[[nodiscard]] const Kernels& kernels();

}  // namespace rookery::engine::detail
