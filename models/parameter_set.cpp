#include "models/parameter_set.hpp"

#include <cstring>
#include <stdexcept>

namespace rookery::models {

torch::Tensor ParameterSet::take(const engine::Checkpoint& checkpoint, const std::string& name,
                                 const std::vector<std::int64_t>& shape) {
  const engine::Tensor& source = checkpoint.tensor(name, shape);
  torch::Tensor value = torch::empty(shape, torch::kFloat32);
  std::memcpy(value.data_ptr<float>(), source.values.data(), source.values.size() * sizeof(float));
  parameters_.push_back({name, value});
  return value;
}

const torch::Tensor& ParameterSet::at(std::string_view name) const {
  for (const auto& parameter : parameters_) {
    if (parameter.name == name) return parameter.value;
  }
  throw std::invalid_argument("the model has no parameter '" + std::string(name) + "'");
}

void ParameterSet::train_only(const std::function<bool(std::string_view)>& wanted) {
  for (auto& parameter : parameters_) parameter.value.set_requires_grad(wanted(parameter.name));
}

std::vector<NamedParameter> ParameterSet::trained() const {
  std::vector<NamedParameter> result;
  for (const auto& parameter : parameters_) {
    if (parameter.value.requires_grad()) result.push_back(parameter);
  }
  return result;
}

void ParameterSet::copy_to(engine::Checkpoint& checkpoint) const {
  for (const auto& parameter : parameters_) {
    const torch::Tensor dense = parameter.value.detach().contiguous();
    engine::Tensor& target = checkpoint.tensors[parameter.name];
    target.shape = dense.sizes().vec();
    target.values.assign(dense.data_ptr<float>(), dense.data_ptr<float>() + dense.numel());
  }
}

}  // namespace rookery::models
