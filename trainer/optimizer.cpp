#include "trainer/optimizer.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>
#include <string>

#include "base/error.hpp"

namespace rookery::trainer {
namespace {

bool is_norm_or_bias(const std::string& name) {
  return name.ends_with(".bias") || name.find("LayerNorm") != std::string::npos ||
         name.find("layernorm") != std::string::npos || name.ends_with(".norm.weight");
}

engine::Tensor to_engine(const torch::Tensor& tensor) {
  const torch::Tensor dense = tensor.contiguous();
  const auto* values = dense.data_ptr<float>();
  return {.shape = dense.sizes().vec(), .values = {values, values + dense.numel()}};
}

}  // namespace

double linear_schedule(std::int64_t step, std::int64_t warmup, std::int64_t total) {
  if (step < warmup) return static_cast<double>(step + 1) / static_cast<double>(warmup + 1);
  if (step >= total) return 0;
  return static_cast<double>(total - step) /
         static_cast<double>(std::max<std::int64_t>(1, total - warmup));
}

AdamW::AdamW(std::vector<ParameterGroup> groups, AdamWOptions options) : options_(options) {
  const torch::NoGradGuard no_gradients;
  for (const auto& group : groups) {
    for (const auto& parameter : group.parameters) {
      slots_.push_back({.parameter = parameter,
                        .learning_rate = group.learning_rate,
                        .decays = !is_norm_or_bias(parameter.name),
                        .moves = 0,
                        .mean = torch::zeros_like(parameter.value),
                        .square = torch::zeros_like(parameter.value)});
    }
  }
}

double AdamW::gradient_norm() const {
  double sum = 0;
  for (const Slot& slot : slots_) {
    const torch::Tensor gradient = slot.parameter.value.grad();
    if (gradient.defined()) sum += std::pow(gradient.norm().item<double>(), 2);
  }
  return std::sqrt(sum);
}

void AdamW::step(double schedule, double norm) {
  const torch::NoGradGuard no_gradients;
  // The kernel divides gradients by this.
  std::optional<torch::Tensor> scale;
  if (options_.clip_norm > 0 && norm > options_.clip_norm) {
    scale = torch::tensor(norm / options_.clip_norm, torch::kFloat32);
  }
  for (Slot& slot : slots_) {
    const torch::Tensor gradient = slot.parameter.value.grad();
    if (!gradient.defined()) continue;
    ++slot.moves;
    // One pass over memory instead of ten: 135 million parameters do not fit a cache.
    at::_fused_adamw_({slot.parameter.value}, {gradient}, {slot.mean}, {slot.square}, {},
                      {torch::tensor(static_cast<float>(slot.moves))},
                      schedule * slot.learning_rate, options_.beta1, options_.beta2,
                      slot.decays ? options_.weight_decay : 0.0, options_.epsilon,
                      /*amsgrad=*/false, /*maximize=*/false, scale, std::nullopt);
  }
}

void AdamW::zero_gradients() {
  for (Slot& slot : slots_) slot.parameter.value.mutable_grad() = torch::Tensor();
}

engine::Checkpoint AdamW::state() const {
  engine::Checkpoint state;
  for (const Slot& slot : slots_) {
    state.tensors[slot.parameter.name + ".m"] = to_engine(slot.mean);
    state.tensors[slot.parameter.name + ".v"] = to_engine(slot.square);
    // Exact in float up to 2^24 moves.
    state.tensors[slot.parameter.name + ".t"] = {.shape = {1},
                                                 .values = {static_cast<float>(slot.moves)}};
  }
  return state;
}

void AdamW::load_state(const engine::Checkpoint& state) {
  if (state.tensors.size() != 3 * slots_.size()) {
    throw base::UserError(state.path.string() + ": expected the state of " +
                          std::to_string(slots_.size()) + " trained tensors, got " +
                          std::to_string(state.tensors.size() / 3) +
                          "; resume with the options of the first run");
  }
  for (Slot& slot : slots_) {
    const std::string& name = slot.parameter.name;
    const std::vector<std::int64_t> shape = slot.mean.sizes().vec();
    const auto fill = [&](torch::Tensor& to, const std::string& part) {
      const engine::Tensor& from = state.tensor(name + part, shape);
      std::memcpy(to.data_ptr<float>(), from.values.data(), from.values.size() * sizeof(float));
    };
    fill(slot.mean, ".m");
    fill(slot.square, ".v");
    slot.moves = static_cast<std::int64_t>(state.tensor(name + ".t", {1}).values[0]);
  }
}

}  // namespace rookery::trainer
