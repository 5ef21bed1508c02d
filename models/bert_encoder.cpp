#include "models/bert_encoder.hpp"

#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>

namespace rookery::models {
namespace F = torch::nn::functional;

BertEncoder::BertEncoder(const engine::Checkpoint& checkpoint)
    : config_(engine::BertConfig::from_checkpoint(checkpoint)) {
  // Checkpoints of a task model carry the body under `bert.`.
  const std::string prefix =
      checkpoint.tensors.contains("bert.embeddings.word_embeddings.weight") ? "bert." : "";
  const std::int64_t hidden = config_.hidden, inner = config_.intermediate;
  const auto take = [&](const std::string& name, const std::vector<std::int64_t>& shape) {
    return parameters_.take(checkpoint, prefix + name, shape);
  };
  const auto linear = [&](const std::string& name, std::int64_t outputs, std::int64_t inputs) {
    return Linear{take(name + ".weight", {outputs, inputs}), take(name + ".bias", {outputs})};
  };
  const auto norm = [&](const std::string& name) {
    return Linear{take(name + ".weight", {hidden}), take(name + ".bias", {hidden})};
  };
  words_ = take("embeddings.word_embeddings.weight", {config_.vocabulary, hidden});
  positions_ = take("embeddings.position_embeddings.weight", {config_.positions, hidden});
  token_types_ = take("embeddings.token_type_embeddings.weight", {config_.token_types, hidden});
  embedding_norm_ = norm("embeddings.LayerNorm");
  for (std::int32_t i = 0; i < config_.layers; ++i) {
    const std::string at = "encoder.layer." + std::to_string(i) + ".";
    layers_.push_back({.query = linear(at + "attention.self.query", hidden, hidden),
                       .key = linear(at + "attention.self.key", hidden, hidden),
                       .value = linear(at + "attention.self.value", hidden, hidden),
                       .attention_output = linear(at + "attention.output.dense", hidden, hidden),
                       .attention_norm = norm(at + "attention.output.LayerNorm"),
                       .intermediate = linear(at + "intermediate.dense", inner, hidden),
                       .output = linear(at + "output.dense", hidden, inner),
                       .output_norm = norm(at + "output.LayerNorm")});
  }
}

torch::Tensor BertEncoder::layer_norm(const torch::Tensor& x, const Linear& norm) const {
  return torch::layer_norm(x, {config_.hidden}, norm.weight, norm.bias,
                           static_cast<double>(config_.layer_norm_eps));
}

torch::Tensor BertEncoder::attend(const torch::Tensor& hidden_RLH, const Layer& layer,
                                  const torch::Tensor& blocked_R11L) const {
  const std::int64_t head_size = config_.hidden / config_.heads;
  const auto heads = [&](const Linear& projection) {
    return torch::linear(hidden_RLH, projection.weight, projection.bias)
        .unflatten(-1, {config_.heads, head_size})
        .transpose(1, 2);
  };
  const torch::Tensor scores_RALL =
      torch::matmul(heads(layer.query), heads(layer.key).transpose(-1, -2)) /
      std::sqrt(static_cast<double>(head_size));
  const torch::Tensor weights_RALL = torch::softmax(
      scores_RALL.masked_fill(blocked_R11L, -std::numeric_limits<float>::infinity()), -1);
  const torch::Tensor mixed_RLH =
      torch::matmul(weights_RALL, heads(layer.value)).transpose(1, 2).flatten(2);
  return torch::linear(mixed_RLH, layer.attention_output.weight, layer.attention_output.bias);
}

torch::Tensor BertEncoder::forward(const TokenBatch& batch, double dropout) const {
  const std::int64_t length = batch.tokens_RL.size(1);
  if (length > config_.positions) {
    throw std::invalid_argument("encoder: expected rows of at most " +
                                std::to_string(config_.positions) + " tokens, got " +
                                std::to_string(length));
  }
  torch::Tensor hidden_RLH = torch::embedding(words_, batch.tokens_RL) +
                             positions_.slice(0, 0, length).unsqueeze(0) + token_types_[0];
  hidden_RLH = layer_norm(hidden_RLH, embedding_norm_);
  const torch::Tensor blocked_R11L = batch.mask_RL.logical_not().unsqueeze(1).unsqueeze(1);
  for (const Layer& layer : layers_) {
    const torch::Tensor attended =
        torch::dropout(attend(hidden_RLH, layer, blocked_R11L), dropout, dropout > 0);
    hidden_RLH = layer_norm(hidden_RLH + attended, layer.attention_norm);
    const torch::Tensor inner =
        torch::gelu(torch::linear(hidden_RLH, layer.intermediate.weight, layer.intermediate.bias));
    const torch::Tensor output = torch::dropout(
        torch::linear(inner, layer.output.weight, layer.output.bias), dropout, dropout > 0);
    hidden_RLH = layer_norm(hidden_RLH + output, layer.output_norm);
  }
  torch::Tensor pooled_RH;
  if (config_.pooling == "cls") {
    pooled_RH = hidden_RLH.select(1, 0);
  } else {
    const torch::Tensor mask_RL1 = batch.mask_RL.unsqueeze(-1).to(torch::kFloat32);
    pooled_RH = (hidden_RLH * mask_RL1).sum(1) / mask_RL1.sum(1);
  }
  return config_.normalised ? F::normalize(pooled_RH, F::NormalizeFuncOptions().p(2).dim(1))
                            : pooled_RH;
}

}  // namespace rookery::models
