#pragma once

#include <vector>

#include "engine/bert_config.hpp"
#include "models/parameter_set.hpp"
#include "models/token_batch.hpp"

namespace rookery::models {

/// A BERT-type sentence encoder with gradients: post-layer-norm layers, GELU by erf, mean or first
/// token pooling, unit length where the configuration says so. Equal to `engine`'s encoder within
/// 1e-4. Source: Devlin et al. 2019; Reimers and Gurevych 2019.
class BertEncoder {
 public:
  explicit BertEncoder(const engine::Checkpoint& checkpoint);
  /// Rows are `[CLS] … [SEP]`; returns `[R, H]`. Throws `std::invalid_argument` for rows longer
  /// than the positions. `dropout` in [0, 1) is applied to the outputs of both blocks of a layer.
  [[nodiscard]] torch::Tensor forward(const TokenBatch& batch, double dropout = 0) const;
  [[nodiscard]] const engine::BertConfig& config() const { return config_; }
  [[nodiscard]] ParameterSet& parameters() { return parameters_; }
  [[nodiscard]] const ParameterSet& parameters() const { return parameters_; }

 private:
  struct Linear {
    torch::Tensor weight, bias;
  };
  struct Layer {
    Linear query, key, value, attention_output, attention_norm, intermediate, output, output_norm;
  };
  [[nodiscard]] torch::Tensor layer_norm(const torch::Tensor& x, const Linear& norm) const;
  [[nodiscard]] torch::Tensor attend(const torch::Tensor& hidden_RLH, const Layer& layer,
                                     const torch::Tensor& blocked_R11L) const;

  engine::BertConfig config_;
  ParameterSet parameters_;
  torch::Tensor words_, positions_, token_types_;
  Linear embedding_norm_;
  std::vector<Layer> layers_;
};

}  // namespace rookery::models
