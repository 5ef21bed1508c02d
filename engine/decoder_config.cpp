#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "engine/decoder.hpp"

namespace rookery::engine {
namespace {

using nlohmann::json;

/// `config.json` with complaints that name file and key.
class ConfigFile {
 public:
  explicit ConfigFile(const Checkpoint& checkpoint)
      : where_((checkpoint.path / "config.json").string()) {
    const auto found = checkpoint.files.find("config.json");
    if (found == checkpoint.files.end())
      throw base::UserError(where_ + ": expected this file beside the weights, found none");
    root_ = json::parse(found->second, nullptr, false);
    if (!root_.is_object()) throw base::UserError(where_ + ": expected a JSON object");
  }

  [[nodiscard]] const json* find(const std::string& key) const {
    const auto found = root_.find(key);
    return found == root_.end() || found->is_null() ? nullptr : &*found;
  }

  [[nodiscard]] std::int32_t size(const std::string& key) const {
    const auto* value = find(key);
    if (value == nullptr || !value->is_number_integer() || value->get<std::int64_t>() < 1 ||
        value->get<std::int64_t>() > std::numeric_limits<std::int32_t>::max() / 64) {
      fail(key, "expected a positive integer, got " + text(value));
    }
    return value->get<std::int32_t>();
  }

  [[nodiscard]] float positive(const std::string& key, const json* value, float fallback) const {
    if (value == nullptr) return fallback;
    if (!value->is_number() || !std::isfinite(value->get<double>()) || value->get<double>() <= 0.0)
      fail(key, "expected a positive number, got " + text(value));
    return value->get<float>();
  }

  [[nodiscard]] text::TokenId token(const std::string& key, std::int32_t vocabulary) const {
    const auto* value = find(key);
    if (value != nullptr && value->is_array() && !value->empty()) value = &value->front();
    if (value == nullptr) return -1;
    if (!value->is_number_integer() || value->get<std::int64_t>() < 0 ||
        value->get<std::int64_t>() >= vocabulary) {
      fail(key, "expected an id below " + std::to_string(vocabulary) + ", got " + text(value));
    }
    return value->get<text::TokenId>();
  }

  void refuse_true(const std::string& key) const {
    const auto* value = find(key);
    if (value != nullptr && *value != json(false)) fail(key, "expected false, got " + text(value));
  }

  [[noreturn]] void fail(const std::string& key, const std::string& why) const {
    throw base::UserError(where_ + ": " + key + ": " + why);
  }

  /// A scalar as it is written; a nested value by its kind (it may be deep).
  static std::string text(const json* value) {
    if (value == nullptr) return "nothing";
    return value->is_structured() ? std::string("an ") + value->type_name() : value->dump();
  }

 private:
  std::string where_;
  json root_;
};

/// theta, from its old place or from `rope_parameters` of newer files; scaled kinds are refused.
float theta_of(const ConfigFile& file) {
  const json* theta = file.find("rope_theta");
  for (const auto* key : {"rope_scaling", "rope_parameters"}) {
    const auto* rope = file.find(key);
    if (rope == nullptr) continue;
    if (!rope->is_object()) file.fail(key, "expected an object, got " + ConfigFile::text(rope));
    const auto kind =
        rope->contains("rope_type") ? rope->at("rope_type") : rope->value("type", json("default"));
    if (kind != json("default")) {
      file.fail(key, "expected the rope_type default, got " + ConfigFile::text(&kind) +
                         ": scaled rotary positions are not supported");
    }
    if (rope->contains("rope_theta")) theta = &rope->at("rope_theta");
  }
  return file.positive("rope_theta", theta, 10'000.0F);
}

}  // namespace

DecoderConfig DecoderConfig::from_checkpoint(const Checkpoint& checkpoint) {
  const ConfigFile file(checkpoint);
  const auto* type = file.find("model_type");
  if (type == nullptr || *type != json("llama"))
    file.fail("model_type", "expected \"llama\", got " + ConfigFile::text(type));
  const auto* activation = file.find("hidden_act");
  if (activation != nullptr && *activation != json("silu"))
    file.fail("hidden_act", "expected \"silu\", got " + ConfigFile::text(activation));
  file.refuse_true("attention_bias");
  file.refuse_true("mlp_bias");

  DecoderConfig config;
  config.vocabulary = file.size("vocab_size");
  config.hidden = file.size("hidden_size");
  config.layers = file.size("num_hidden_layers");
  config.heads = file.size("num_attention_heads");
  config.kv_heads =
      file.find("num_key_value_heads") == nullptr ? config.heads : file.size("num_key_value_heads");
  config.intermediate = file.size("intermediate_size");
  config.positions = file.size("max_position_embeddings");
  config.rms_norm_eps = file.positive("rms_norm_eps", file.find("rms_norm_eps"), 1e-6F);
  config.rope_theta = theta_of(file);
  const auto* tied = file.find("tie_word_embeddings");
  config.tied_embeddings = tied != nullptr && *tied == json(true);
  config.bos = file.token("bos_token_id", config.vocabulary);
  config.eos = file.token("eos_token_id", config.vocabulary);
  if (config.hidden % config.heads != 0 || config.head_size() % 2 != 0) {
    file.fail("num_attention_heads", "expected heads of an even size in " +
                                         std::to_string(config.hidden) + " columns, got " +
                                         std::to_string(config.heads));
  }
  if (config.heads % config.kv_heads != 0) {
    file.fail("num_key_value_heads", "expected a divisor of " + std::to_string(config.heads) +
                                         ", got " + std::to_string(config.kv_heads));
  }
  if (file.find("head_dim") != nullptr && file.size("head_dim") != config.head_size()) {
    file.fail("head_dim", "expected " + std::to_string(config.head_size()) + ", got " +
                              std::to_string(file.size("head_dim")));
  }
  return config;
}

}  // namespace rookery::engine
