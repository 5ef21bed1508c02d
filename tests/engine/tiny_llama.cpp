#include "tests/engine/tiny_llama.hpp"

#include <cmath>
#include <nlohmann/json.hpp>
#include <random>

namespace rookery::testing {
namespace {

using nlohmann::json;

/// GPT-2's alphabet: printable bytes of Latin-1 as they are, the others from U+0100 on.
std::string byte_token(int byte, int& next) {
  const bool printable = (byte >= 33 && byte <= 126) || (byte >= 161 && byte != 173);
  const int code = printable ? byte : next++;
  if (code < 128) return {static_cast<char>(code)};
  return {static_cast<char>(0xC0 | (code >> 6)), static_cast<char>(0x80 | (code & 63))};
}

std::string tokenizer_json() {
  json vocabulary = json::object();
  json added = json::array();
  for (const auto* token : {"<|endoftext|>", "<|im_start|>", "<|im_end|>"}) {
    added.push_back({{"id", vocabulary.size()}, {"content", token}, {"special", true}});
    vocabulary[token] = vocabulary.size();
  }
  int next = 256;
  for (int byte = 0; byte < 256; ++byte) {
    const auto id = vocabulary.size();
    vocabulary[byte_token(byte, next)] = id;
  }
  json merges = json::array();
  for (char left = 'a'; left < 'g'; ++left) {
    for (const char right : {'e', 'i', 'o', 'n', 's'}) {
      const auto id = vocabulary.size();
      vocabulary[std::string{left, right}] = id;
      merges.push_back(std::string{left, ' ', right});
    }
  }
  return json{
      {"added_tokens", added},
      {"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", true}}},
      {"model", {{"type", "BPE"}, {"vocab", vocabulary}, {"merges", merges}}}}
      .dump();
}

}  // namespace

engine::Checkpoint TinyLlama::checkpoint() const {
  constexpr std::int32_t kVocabulary = 3 + 256 + 30;
  std::mt19937 random(seed);
  engine::Checkpoint result;
  result.path = "tiny";
  result.sha256 = std::string(64, 'a');
  const auto add = [&](const std::string& name, std::vector<std::int64_t> shape, float scale,
                       float centre) {
    std::size_t count = 1;
    for (const auto size : shape) count *= static_cast<std::size_t>(size);
    engine::Tensor tensor{std::move(shape), std::vector<float>(count)};
    for (auto& value : tensor.values) {
      const auto unit = static_cast<float>(random() >> 8) * 0x1p-24F;  // the same on every library
      value = centre + scale * (2.0F * unit - 1.0F);
    }
    result.tensors.emplace(name, std::move(tensor));
  };
  const auto matrix = [&](const std::string& name, std::int64_t rows, std::int64_t columns) {
    add(name, {rows, columns}, 1.7F / std::sqrt(static_cast<float>(columns)), 0.0F);
  };
  add("model.embed_tokens.weight", {kVocabulary, hidden}, 1.0F, 0.0F);
  if (!tied) matrix("lm_head.weight", kVocabulary, hidden);
  add("model.norm.weight", {hidden}, 0.3F, 1.0F);
  const auto kv_rows = hidden / heads * kv_heads;
  for (std::int32_t layer = 0; layer < layers; ++layer) {
    const auto prefix = "model.layers." + std::to_string(layer) + ".";
    add(prefix + "input_layernorm.weight", {hidden}, 0.3F, 1.0F);
    add(prefix + "post_attention_layernorm.weight", {hidden}, 0.3F, 1.0F);
    matrix(prefix + "self_attn.q_proj.weight", hidden, hidden);
    matrix(prefix + "self_attn.k_proj.weight", kv_rows, hidden);
    matrix(prefix + "self_attn.v_proj.weight", kv_rows, hidden);
    matrix(prefix + "self_attn.o_proj.weight", hidden, hidden);
    matrix(prefix + "mlp.gate_proj.weight", intermediate, hidden);
    matrix(prefix + "mlp.up_proj.weight", intermediate, hidden);
    matrix(prefix + "mlp.down_proj.weight", hidden, intermediate);
  }
  result.files["config.json"] = json{
      {"model_type", "llama"},
      {"hidden_act", "silu"},
      {"vocab_size", kVocabulary},
      {"hidden_size", hidden},
      {"num_hidden_layers", layers},
      {"num_attention_heads", heads},
      {"num_key_value_heads", kv_heads},
      {"intermediate_size", intermediate},
      {"max_position_embeddings", positions},
      {"rms_norm_eps", 1e-5},
      {"rope_theta", 10000.0},
      {"tie_word_embeddings", tied},
      {"bos_token_id", 1},
      {"eos_token_id", 2}}.dump();
  result.files["tokenizer.json"] = tokenizer_json();
  return result;
}

}  // namespace rookery::testing
