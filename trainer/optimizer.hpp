#pragma once

#include <cstdint>
#include <vector>

#include "engine/weights.hpp"
#include "models/parameter_set.hpp"

namespace rookery::trainer {

struct AdamWOptions {
  double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;
  double weight_decay = 0;  ///< decoupled; norms and biases have none
  double clip_norm = 1;     ///< L2 norm over all gradients together; 0: off
};

/// One learning rate for these parameters; the schedule scales it.
struct ParameterGroup {
  std::vector<models::NamedParameter> parameters;
  double learning_rate = 0;
};

/// AdamW with bias correction. Source: Loshchilov and Hutter 2019; decay groups as in
/// specs/hf-rag.md 4.4. torch's fused kernel, with the state in plain tensors that a checkpoint can
/// hold.
class AdamW {
 public:
  AdamW(std::vector<ParameterGroup> groups, AdamWOptions options);
  /// The L2 norm over all gradients, before clipping.
  [[nodiscard]] double gradient_norm() const;
  /// Clips to `clip_norm` and moves every parameter that has a gradient; `schedule` multiplies the
  /// learning rates. `norm` is what `gradient_norm` said.
  void step(double schedule, double norm);
  /// Drops all gradients.
  void zero_gradients();
  /// Moments under `NAME.m` and `NAME.v`, number of moves under `NAME.t`.
  [[nodiscard]] engine::Checkpoint state() const;
  /// Throws `UserError` when the state is of other parameters.
  void load_state(const engine::Checkpoint& state);

 private:
  struct Slot {
    models::NamedParameter parameter;
    double learning_rate = 0;
    bool decays = false;
    std::int64_t moves = 0;
    torch::Tensor mean, square;
  };
  AdamWOptions options_;
  std::vector<Slot> slots_;
};

/// Rises linearly over `warmup` steps, then falls linearly to 0 behind the last of `total`.
/// `step` counts from 0; the first step of a warm-up moves already.
double linear_schedule(std::int64_t step, std::int64_t warmup, std::int64_t total);

}  // namespace rookery::trainer
