#pragma once

#include <vector>

#include "engine/decoder.hpp"
#include "models/parameter_set.hpp"
#include "models/token_batch.hpp"

namespace rookery::models {

/// A Llama-type decoder (SmolLM2) with gradients: RMS norm before each block, rotary positions,
/// grouped key and value heads, SwiGLU. Equal to `engine`'s decoder within 1e-4. Source: Touvron et
/// al. 2023; rotary halves as in HF's layout.
class LlamaDecoder {
 public:
  explicit LlamaDecoder(const engine::Checkpoint& checkpoint);
  /// Hidden states behind the final norm, `[R, L, H]`, causal within each row. Position 0 is a
  /// row's first token. Throws `std::invalid_argument` for rows longer than the positions.
  /// `dropout` in [0, 1) is applied to the outputs of both blocks of a layer.
  [[nodiscard]] torch::Tensor hidden(const TokenBatch& batch, double dropout = 0) const;
  /// `[…, H]` → `[…, V]`. Separate, so that the vocabulary is only computed where it counts.
  [[nodiscard]] torch::Tensor logits(const torch::Tensor& hidden) const;
  [[nodiscard]] const engine::DecoderConfig& config() const { return config_; }
  [[nodiscard]] ParameterSet& parameters() { return parameters_; }
  [[nodiscard]] const ParameterSet& parameters() const { return parameters_; }
  /// Trains the last `layers` layers (all, where there are fewer) and the final norm; negative
  /// trains the embeddings too, 0 freezes the model.
  void train_last_layers(std::int32_t layers);

 private:
  struct Layer {
    torch::Tensor input_norm, query, key, value, output, post_norm, gate, up, down;
  };
  struct Rotation {
    torch::Tensor cos_LD, sin_LD;
  };
  [[nodiscard]] torch::Tensor rms_norm(const torch::Tensor& x, const torch::Tensor& weight) const;
  [[nodiscard]] Rotation rotation(std::int64_t length) const;
  [[nodiscard]] torch::Tensor attend(const torch::Tensor& x_RLH, const Layer& layer,
                                     const Rotation& rotation,
                                     const torch::Tensor& blocked_R1LL) const;

  engine::DecoderConfig config_;
  ParameterSet parameters_;
  torch::Tensor embeddings_VH_, final_norm_, head_VH_;
  std::vector<Layer> layers_;
};

}  // namespace rookery::models
