#include "models/llama_decoder.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>
#include <string_view>

namespace rookery::models {
namespace {

/// HF's layout: the first and second half of a head's features turn as pairs.
torch::Tensor rotate(const torch::Tensor& x_RALD, const torch::Tensor& cos_LD,
                     const torch::Tensor& sin_LD) {
  const std::int64_t half = x_RALD.size(-1) / 2;
  const torch::Tensor turned = torch::cat({-x_RALD.slice(-1, half), x_RALD.slice(-1, 0, half)}, -1);
  return x_RALD * cos_LD + turned * sin_LD;
}

}  // namespace

LlamaDecoder::LlamaDecoder(const engine::Checkpoint& checkpoint)
    : config_(engine::DecoderConfig::from_checkpoint(checkpoint)) {
  const std::int64_t hidden = config_.hidden, inner = config_.intermediate;
  const std::int64_t narrow = hidden / config_.heads * config_.kv_heads;
  const auto take = [&](const std::string& name, const std::vector<std::int64_t>& shape) {
    return parameters_.take(checkpoint, name, shape);
  };
  embeddings_VH_ = take("model.embed_tokens.weight", {config_.vocabulary, hidden});
  for (std::int32_t i = 0; i < config_.layers; ++i) {
    const std::string at = "model.layers." + std::to_string(i) + ".";
    layers_.push_back({.input_norm = take(at + "input_layernorm.weight", {hidden}),
                       .query = take(at + "self_attn.q_proj.weight", {hidden, hidden}),
                       .key = take(at + "self_attn.k_proj.weight", {narrow, hidden}),
                       .value = take(at + "self_attn.v_proj.weight", {narrow, hidden}),
                       .output = take(at + "self_attn.o_proj.weight", {hidden, hidden}),
                       .post_norm = take(at + "post_attention_layernorm.weight", {hidden}),
                       .gate = take(at + "mlp.gate_proj.weight", {inner, hidden}),
                       .up = take(at + "mlp.up_proj.weight", {inner, hidden}),
                       .down = take(at + "mlp.down_proj.weight", {hidden, inner})});
  }
  final_norm_ = take("model.norm.weight", {hidden});
  head_VH_ = config_.tied_embeddings ? embeddings_VH_
                                     : take("lm_head.weight", {config_.vocabulary, hidden});
}

void LlamaDecoder::train_last_layers(std::int32_t layers) {
  if (layers < 0) {
    parameters_.train_only([](std::string_view) { return true; });
    return;
  }
  const std::int32_t first = std::max(0, config_.layers - layers);
  parameters_.train_only([&](std::string_view name) {
    constexpr std::string_view kLayers = "model.layers.";
    if (name == "model.norm.weight") return layers > 0;
    if (!name.starts_with(kLayers)) return false;
    return std::stoi(std::string(name.substr(kLayers.size()))) >= first;
  });
}

torch::Tensor LlamaDecoder::rms_norm(const torch::Tensor& x, const torch::Tensor& weight) const {
  const torch::Tensor scale =
      torch::rsqrt(x.pow(2).mean(-1, true) + static_cast<double>(config_.rms_norm_eps));
  return x * scale * weight;
}

LlamaDecoder::Rotation LlamaDecoder::rotation(std::int64_t length) const {
  const std::int64_t head_size = config_.hidden / config_.heads;
  const torch::Tensor exponents =
      torch::arange(0, head_size, 2, torch::kFloat32) / static_cast<double>(head_size);
  const torch::Tensor frequencies =
      1.0 / torch::pow(static_cast<double>(config_.rope_theta), exponents);
  const torch::Tensor angles = torch::outer(torch::arange(0, length, torch::kFloat32), frequencies);
  const torch::Tensor both = torch::cat({angles, angles}, -1);
  return {both.cos(), both.sin()};
}

torch::Tensor LlamaDecoder::attend(const torch::Tensor& x_RLH, const Layer& layer,
                                   const Rotation& rotation,
                                   const torch::Tensor& blocked_R1LL) const {
  const std::int64_t head_size = config_.hidden / config_.heads;
  const std::int64_t group = config_.heads / config_.kv_heads;
  const auto heads = [&](const torch::Tensor& weight, std::int64_t count) {
    return torch::linear(x_RLH, weight).unflatten(-1, {count, head_size}).transpose(1, 2);
  };
  const torch::Tensor query =
      rotate(heads(layer.query, config_.heads), rotation.cos_LD, rotation.sin_LD);
  const torch::Tensor key =
      rotate(heads(layer.key, config_.kv_heads), rotation.cos_LD, rotation.sin_LD)
          .repeat_interleave(group, 1);
  const torch::Tensor value = heads(layer.value, config_.kv_heads).repeat_interleave(group, 1);
  const torch::Tensor scores = torch::matmul(query, key.transpose(-1, -2)) *
                               (1.0 / std::sqrt(static_cast<double>(head_size)));
  const torch::Tensor weights =
      torch::softmax(scores.masked_fill(blocked_R1LL, -std::numeric_limits<float>::infinity()), -1);
  return torch::linear(torch::matmul(weights, value).transpose(1, 2).flatten(2), layer.output);
}

torch::Tensor LlamaDecoder::hidden(const TokenBatch& batch, double dropout) const {
  const std::int64_t length = batch.tokens_RL.size(1);
  if (length > config_.positions) {
    throw std::invalid_argument("decoder: expected rows of at most " +
                                std::to_string(config_.positions) + " tokens, got " +
                                std::to_string(length));
  }
  const Rotation turn = rotation(length);
  // A query may see itself, so that no row of the softmax is empty, even in the padding.
  const torch::Tensor future_LL = torch::ones({length, length}, torch::kBool).triu(1);
  const torch::Tensor own_LL = torch::eye(length, torch::kBool);
  const torch::Tensor blocked_R1LL =
      (future_LL | (batch.mask_RL.logical_not().unsqueeze(1) & own_LL.logical_not())).unsqueeze(1);
  torch::Tensor hidden_RLH = torch::embedding(embeddings_VH_, batch.tokens_RL);
  for (const Layer& layer : layers_) {
    const torch::Tensor attended =
        attend(rms_norm(hidden_RLH, layer.input_norm), layer, turn, blocked_R1LL);
    hidden_RLH = hidden_RLH + torch::dropout(attended, dropout, dropout > 0);
    const torch::Tensor normed = rms_norm(hidden_RLH, layer.post_norm);
    const torch::Tensor inner =
        torch::silu(torch::linear(normed, layer.gate)) * torch::linear(normed, layer.up);
    hidden_RLH =
        hidden_RLH + torch::dropout(torch::linear(inner, layer.down), dropout, dropout > 0);
  }
  return rms_norm(hidden_RLH, final_norm_);
}

torch::Tensor LlamaDecoder::logits(const torch::Tensor& hidden) const {
  return torch::linear(hidden, head_VH_);
}

}  // namespace rookery::models
