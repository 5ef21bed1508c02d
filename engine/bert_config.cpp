#include "engine/bert_config.hpp"

#include "base/error.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <limits>

namespace rookery::engine {
namespace {

using nlohmann::json;

/// One small JSON file of a checkpoint; every complaint names path, file and key.
class ConfigFile {
 public:
  ConfigFile(const Checkpoint& checkpoint, const std::string& name)
      : where_(checkpoint.path.string() + ": " + name) {
    const auto found = checkpoint.files.find(name);
    if (found == checkpoint.files.end()) return;
    root_ = json::parse(found->second, nullptr, false);
    if (root_.is_discarded())
      throw base::UserError(where_ + ": expected JSON, it cannot be parsed");
    present_ = true;
  }

  [[nodiscard]] bool present() const { return present_; }
  [[nodiscard]] const json& root() const { return root_; }

  /// An integer from `low` up; without `fallback` the key must be there.
  [[nodiscard]] std::int32_t integer(const std::string& key, std::int32_t low,
                                     const std::int32_t* fallback = nullptr) const {
    const json* value = find(key);
    if (value == nullptr && fallback != nullptr) return *fallback;
    if (value == nullptr || !value->is_number_integer() || value->get<std::int64_t>() < low ||
        value->get<std::int64_t>() > std::numeric_limits<std::int32_t>::max() / 8) {
      fail(key, "expected an integer of at least " + std::to_string(low), value);
    }
    return value->get<std::int32_t>();
  }

  /// Complains unless the key is absent or holds `only`.
  void expect(const std::string& key, const std::string& only) const {
    const json* value = find(key);
    if (value == nullptr || *value == json(only)) return;
    fail(key, "expected '" + only + "', the one kind this encoder computes", value);
  }

  [[nodiscard]] bool flag(const std::string& key) const {
    const json* value = find(key);
    if (value == nullptr) return false;
    if (!value->is_boolean()) fail(key, "expected true or false", value);
    return value->get<bool>();
  }

  [[nodiscard]] const json* find(const std::string& key) const {
    if (!root_.is_object()) return nullptr;
    const auto found = root_.find(key);
    return found == root_.end() ? nullptr : &*found;
  }

  [[noreturn]] void fail(const std::string& key, const std::string& expected,
                         const json* value) const {
    throw base::UserError(where_ + ": " + key + ": " + expected + ", got " +
                          (value == nullptr ? "nothing" : value->dump()));
  }

  [[noreturn]] void fail(const std::string& what) const { throw base::UserError(where_ + what); }

 private:
  std::string where_;
  json root_;
  bool present_ = false;
};

std::string pooling_of(const Checkpoint& checkpoint) {
  const ConfigFile pooling(checkpoint, "1_Pooling/config.json");
  if (!pooling.present()) return "mean";
  const bool mean = pooling.flag("pooling_mode_mean_tokens");
  const bool cls = pooling.flag("pooling_mode_cls_token");
  if (mean == cls || pooling.flag("pooling_mode_max_tokens") ||
      pooling.flag("pooling_mode_mean_sqrt_len_tokens")) {
    pooling.fail(": expected exactly one of pooling_mode_mean_tokens and pooling_mode_cls_token");
  }
  return mean ? "mean" : "cls";
}

bool normalised_of(const Checkpoint& checkpoint) {
  const ConfigFile modules(checkpoint, "modules.json");
  if (!modules.present()) return true;
  if (!modules.root().is_array()) modules.fail(": expected a list of modules");
  bool normalised = false;
  for (const auto& module : modules.root()) {
    const auto type = module.is_object() ? module.value("type", std::string()) : std::string();
    if (type.ends_with(".Normalize")) {
      normalised = true;
    } else if (!type.ends_with(".Transformer") && !type.ends_with(".Pooling")) {
      modules.fail(": expected the modules Transformer, Pooling and Normalize, got '" + type + "'");
    }
  }
  return normalised;
}

}  // namespace

BertConfig BertConfig::from_checkpoint(const Checkpoint& checkpoint) {
  const ConfigFile file(checkpoint, "config.json");
  if (!file.present()) {
    throw base::UserError(checkpoint.path.string() +
                          ": expected a BERT encoder, but there is no config.json beside its "
                          "weights");
  }
  file.expect("model_type", "bert");
  file.expect("hidden_act", "gelu");
  file.expect("position_embedding_type", "absolute");
  BertConfig config;
  config.vocabulary = file.integer("vocab_size", 1);
  config.hidden = file.integer("hidden_size", 1);
  config.layers = file.integer("num_hidden_layers", 1);
  config.heads = file.integer("num_attention_heads", 1);
  config.intermediate = file.integer("intermediate_size", 1);
  config.positions = file.integer("max_position_embeddings", 2);
  config.token_types = file.integer("type_vocab_size", 1);
  if (config.hidden % config.heads != 0) {
    file.fail("num_attention_heads",
              "expected a divisor of hidden_size (" + std::to_string(config.hidden) + ")",
              file.find("num_attention_heads"));
  }
  if (const json* eps = file.find("layer_norm_eps"); eps != nullptr) {
    if (!eps->is_number() || eps->get<double>() <= 0.0 || eps->get<double>() > 1.0) {
      file.fail("layer_norm_eps", "expected a number in (0, 1]", eps);
    }
    config.layer_norm_eps = eps->get<float>();
  }
  config.pooling = pooling_of(checkpoint);
  config.normalised = normalised_of(checkpoint);
  const ConfigFile sentence(checkpoint, "sentence_bert_config.json");
  const std::int32_t usual = std::min(config.tokens_max, config.positions);
  config.tokens_max = sentence.integer("max_seq_length", 2, &usual);
  if (config.tokens_max > config.positions) {
    sentence.fail(
        "max_seq_length",
        "expected at most max_position_embeddings (" + std::to_string(config.positions) + ")",
        sentence.find("max_seq_length"));
  }
  return config;
}

}  // namespace rookery::engine
