#include "base/error.hpp"
#include "engine/bert_encoder.hpp"

#include <nlohmann/json.hpp>

#include <cmath>
#include <string>

namespace rookery::engine {
namespace {

/// Reads a checkpoint's BERT tensors; every one is checked for shape and for NaN and infinity.
class BertTensors {
 public:
  explicit BertTensors(const Checkpoint& checkpoint) : checkpoint_(checkpoint) {
    const std::string word_embeddings = "embeddings.word_embeddings.weight";
    for (const auto& [name, tensor] : checkpoint.tensors) {
      if (!name.ends_with(word_embeddings)) continue;
      prefix_ = name.substr(0, name.size() - word_embeddings.size());
      break;
    }
  }

  [[nodiscard]] const std::vector<float>& matrix(const std::string& name, std::int32_t rows,
                                                 std::int32_t columns) const {
    return finite(name, checkpoint_.tensor(prefix_ + name, {rows, columns}));
  }
  [[nodiscard]] const std::vector<float>& row(const std::string& name, std::int32_t size) const {
    return finite(name, checkpoint_.tensor(prefix_ + name, {size}));
  }

 private:
  const std::vector<float>& finite(const std::string& name, const Tensor& tensor) const {
    for (std::size_t i = 0; i < tensor.values.size(); ++i) {
      if (std::isfinite(tensor.values[i])) continue;
      throw base::UserError(checkpoint_.path.string() + ": tensor " + prefix_ + name +
                            ": expected finite numbers, got " + std::to_string(tensor.values[i]) +
                            " at element " + std::to_string(i));
    }
    return tensor.values;
  }

  const Checkpoint& checkpoint_;
  std::string prefix_;
};

std::unique_ptr<text::WordPieceTokenizer> load_tokenizer(const Checkpoint& checkpoint) {
  try {
    if (const auto found = checkpoint.files.find("tokenizer.json");
        found != checkpoint.files.end()) {
      return text::WordPieceTokenizer::from_tokenizer_json(found->second);
    }
    if (const auto found = checkpoint.files.find("vocab.txt"); found != checkpoint.files.end()) {
      text::WordPieceOptions options;
      if (const auto config = checkpoint.files.find("tokenizer_config.json");
          config != checkpoint.files.end()) {
        const auto root = nlohmann::json::parse(config->second, nullptr, false);
        if (root.is_object() && root.contains("do_lower_case") &&
            root["do_lower_case"].is_boolean()) {
          options.lower_case = root["do_lower_case"].get<bool>();
        }
      }
      return text::WordPieceTokenizer::from_vocabulary(found->second, options);
    }
  } catch (const base::UserError& error) {
    throw base::UserError(checkpoint.path.string() + ": " + error.what());
  }
  throw base::UserError(checkpoint.path.string() +
                        ": expected tokenizer.json or vocab.txt beside the weights, found neither");
}

std::string trained_against(const Checkpoint& checkpoint) {
  const auto found = checkpoint.files.find("rookery.json");
  if (found == checkpoint.files.end()) return {};
  const auto root = nlohmann::json::parse(found->second, nullptr, false);
  if (!root.is_object()) {
    throw base::UserError(checkpoint.path.string() + ": rookery.json: expected a JSON object");
  }
  const auto value = root.find("trained_against");
  if (value == root.end() || value->is_null()) return {};
  if (!value->is_string()) {
    throw base::UserError(checkpoint.path.string() +
                          ": rookery.json: trained_against: expected a hash, got " + value->dump());
  }
  return value->get<std::string>();
}

void append(std::vector<float>& to, const std::vector<float>& from) {
  to.insert(to.end(), from.begin(), from.end());
}

}  // namespace

void BertEncoder::load(const Checkpoint& checkpoint) {
  tokenizer_ = load_tokenizer(checkpoint);
  if (tokenizer_->vocabulary_size() > config_.vocabulary) {
    throw base::UserError(checkpoint.path.string() +
                          ": config.json: vocab_size: expected at least "
                          "the tokenizer's " +
                          std::to_string(tokenizer_->vocabulary_size()) + " tokens, got " +
                          std::to_string(config_.vocabulary));
  }
  const BertTensors tensors(checkpoint);
  const std::int32_t hidden = config_.hidden;
  const auto norm = [&](const std::string& name) {
    return Norm{tensors.row(name + ".weight", hidden), tensors.row(name + ".bias", hidden)};
  };
  word_embeddings_ =
      tensors.matrix("embeddings.word_embeddings.weight", config_.vocabulary, hidden);
  position_embeddings_ =
      tensors.matrix("embeddings.position_embeddings.weight", config_.positions, hidden);
  type_embeddings_ =
      tensors.matrix("embeddings.token_type_embeddings.weight", config_.token_types, hidden);
  embeddings_norm_ = norm("embeddings.LayerNorm");
  for (std::int32_t index = 0; index < config_.layers; ++index) {
    const std::string name = "encoder.layer." + std::to_string(index) + ".";
    Layer layer;
    std::vector<float> joined;
    for (const char* part : {"query", "key", "value"}) {
      const std::string tensor = name + "attention.self." + part;
      append(joined, tensors.matrix(tensor + ".weight", hidden, hidden));
      append(layer.query_key_value_bias, tensors.row(tensor + ".bias", hidden));
    }
    layer.query_key_value = PackedMatrix(joined, 3 * hidden, hidden);
    layer.attention_output = PackedMatrix(
        tensors.matrix(name + "attention.output.dense.weight", hidden, hidden), hidden, hidden);
    layer.attention_output_bias = tensors.row(name + "attention.output.dense.bias", hidden);
    layer.attention_norm = norm(name + "attention.output.LayerNorm");
    layer.intermediate = PackedMatrix(
        tensors.matrix(name + "intermediate.dense.weight", config_.intermediate, hidden),
        config_.intermediate, hidden);
    layer.intermediate_bias = tensors.row(name + "intermediate.dense.bias", config_.intermediate);
    layer.output =
        PackedMatrix(tensors.matrix(name + "output.dense.weight", hidden, config_.intermediate),
                     hidden, config_.intermediate);
    layer.output_bias = tensors.row(name + "output.dense.bias", hidden);
    layer.output_norm = norm(name + "output.LayerNorm");
    layers_.push_back(std::move(layer));
  }
  identity_ = {.name = checkpoint.path.filename().string(),
               .model_hash = checkpoint.sha256,
               .trained_against = trained_against(checkpoint),
               .dimension = hidden,
               .pooling = config_.pooling,
               .normalised = config_.normalised,
               .tokens_max = config_.tokens_max};
}

}  // namespace rookery::engine
