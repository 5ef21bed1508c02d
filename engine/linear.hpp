#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/thread_team.hpp"

namespace rookery::engine {

/// A weight matrix packed for `multiply`: panels of output columns, k-major, 64-byte aligned.
class PackedMatrix {
 public:
  PackedMatrix() = default;
  /// `weights` is `[outputs, inputs]`, row-major, as in a checkpoint.
  PackedMatrix(std::span<const float> weights, std::int32_t outputs, std::int32_t inputs);
  [[nodiscard]] std::int32_t outputs() const { return outputs_; }
  [[nodiscard]] std::int32_t inputs() const { return inputs_; }
  [[nodiscard]] const float* data() const { return data_; }

 private:
  std::int32_t outputs_ = 0, inputs_ = 0;
  std::vector<float> storage_;
  float* data_ = nullptr;  ///< the aligned start inside `storage_`
};

/// y[m, n] = Σ_k x[m, k] · w[n, k] (+ bias[n]). One accumulator an output, k strictly rising, fused
/// multiply-add: an output's bits depend on its own row and column only, not on the number of rows,
/// threads or the instruction set (AVX-512, AVX2 and plain give the same). `bias` is empty or
/// `[outputs]` and is added last.
void multiply(base::ThreadTeam& team, const PackedMatrix& weights, const float* x,
              std::int32_t rows, std::span<const float> bias, float* y);

}  // namespace rookery::engine
