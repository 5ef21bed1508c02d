#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/weights.hpp"
#include "models/torch_headers.hpp"

namespace rookery::models {

struct NamedParameter {
  std::string name;  ///< HF's name, `model.layers.0.self_attn.q_proj.weight`
  torch::Tensor value;
};

/// The weights of one model in the order in which it asked for them: what the optimizer, the
/// gradient reducer and the checkpoint walk over. Tensors are shared with the model, not copied.
class ParameterSet {
 public:
  /// Copies one tensor of the checkpoint and keeps it under its name. Throws `UserError` naming
  /// file, tensor, expected and found shape.
  torch::Tensor take(const engine::Checkpoint& checkpoint, const std::string& name,
                     const std::vector<std::int64_t>& shape);
  [[nodiscard]] const std::vector<NamedParameter>& all() const { return parameters_; }
  /// The tensor of that name; throws `std::invalid_argument` when there is none.
  [[nodiscard]] const torch::Tensor& at(std::string_view name) const;
  /// Marks which parameters are trained; autograd records nothing for the others.
  void train_only(const std::function<bool(std::string_view name)>& wanted);
  [[nodiscard]] std::vector<NamedParameter> trained() const;
  /// Overwrites the checkpoint's tensors with the present values; tensors that are no parameter
  /// here (a pooler) stay.
  void copy_to(engine::Checkpoint& checkpoint) const;

 private:
  std::vector<NamedParameter> parameters_;
};

}  // namespace rookery::models
