#pragma once

#include "base/thread_team.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace rookery::engine {

/// A weight matrix packed for `multiply`: panels of 32 output columns, k-major, 64-byte aligned, on
/// huge pages where the system grants them. The last panel is padded with zeros. Moves, never
/// copies.
class PackedMatrix {
 public:
  PackedMatrix() = default;
  /// `weights` is `[outputs, inputs]`, row-major, as in a checkpoint; any other size throws
  /// `std::invalid_argument`.
  PackedMatrix(std::span<const float> weights, std::int32_t outputs, std::int32_t inputs);
  [[nodiscard]] std::int32_t outputs() const { return outputs_; }
  [[nodiscard]] std::int32_t inputs() const { return inputs_; }
  [[nodiscard]] const float* data() const { return storage_.get(); }

 private:
  struct Unmap {
    std::size_t bytes;
    void operator()(float* data) const;
  };
  std::int32_t outputs_ = 0, inputs_ = 0;
  std::unique_ptr<float[], Unmap> storage_;
};

/// y[m, n] = Σ_k x[m, k] · w[n, k] (+ bias[n]), `x` is `[rows, inputs]`, `y` `[rows, outputs]`. One
/// accumulator an output, k strictly rising, fused multiply-add: an output's bits depend on its own
/// row and column only, not on the number of rows, threads or the instruction set (AVX-512, AVX2
/// and plain give the same). `bias` is empty or `[outputs]` and is added last. Neither may overlap
/// `y`.
void multiply(base::ThreadTeam& team, const PackedMatrix& weights, const float* x,
              std::int32_t rows, std::span<const float> bias, float* y);

}  // namespace rookery::engine
