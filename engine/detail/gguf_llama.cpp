#include "engine/detail/gguf_llama.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>
#include <utility>

#include "base/error.hpp"
#include "engine/detail/byte_reader.hpp"
#include "engine/detail/dequantise.hpp"

namespace rookery::engine::detail {
namespace {

using nlohmann::json;

constexpr std::int64_t kControlToken = 3;
constexpr std::int64_t kUserToken = 4;

/// Typed access to the metadata, with complaints that name file and key.
class Metadata {
 public:
  Metadata(const GgufFile& gguf, const std::string& file) : gguf_(gguf), file_(file) {}

  template <typename T>
  [[nodiscard]] const T* find(const std::string& key) const {
    const auto found = gguf_.metadata.find(key);
    return found == gguf_.metadata.end() ? nullptr : std::get_if<T>(&found->second);
  }

  [[nodiscard]] bool has(const std::string& key) const { return gguf_.metadata.contains(key); }

  [[nodiscard]] std::int64_t integer(const std::string& key) const {
    const auto* value = find<std::int64_t>(key);
    if (value == nullptr) fail(key, "expected an integer");
    if (*value < 1 || *value > std::numeric_limits<std::int32_t>::max())
      fail(key, "expected a positive 32-bit integer, got " + std::to_string(*value));
    return *value;
  }

  [[nodiscard]] double number(const std::string& key, std::optional<double> fallback) const {
    const auto* value = find<double>(key);
    if (value != nullptr) return *value;
    if (!fallback) fail(key, "expected a number");
    return *fallback;
  }

  [[nodiscard]] std::string text(const std::string& key, const std::string& fallback) const {
    const auto* value = find<std::string>(key);
    return value == nullptr ? fallback : *value;
  }

  [[noreturn]] void fail(const std::string& key, const std::string& why) const {
    throw base::UserError(file_ + ": metadata " + key + ": " + why);
  }

 private:
  const GgufFile& gguf_;
  const std::string& file_;
};

json make_config(const Metadata& metadata, bool tied, std::int64_t vocabulary) {
  const auto hidden = metadata.integer("llama.embedding_length");
  const auto heads = metadata.integer("llama.attention.head_count");
  if (hidden % heads != 0 || (hidden / heads) % 2 != 0) {
    metadata.fail("llama.attention.head_count", "expected heads of an even size in " +
                                                    std::to_string(hidden) + " columns, got " +
                                                    std::to_string(heads));
  }
  if (const auto* rotated = metadata.find<std::int64_t>("llama.rope.dimension_count");
      rotated != nullptr && *rotated != hidden / heads) {
    metadata.fail("llama.rope.dimension_count", "expected " + std::to_string(hidden / heads) +
                                                    ", got " + std::to_string(*rotated));
  }
  const auto scaling = metadata.text("llama.rope.scaling.type", "none");
  if (scaling != "none") {
    metadata.fail("llama.rope.scaling.type",
                  "expected none, got " + scaling + ": scaled rotary positions are not supported");
  }
  constexpr auto kKvHeads = "llama.attention.head_count_kv";
  const auto kv_heads = metadata.has(kKvHeads) ? metadata.integer(kKvHeads) : heads;
  json config = {
      {"architectures", {"LlamaForCausalLM"}},
      {"attention_bias", false},
      {"head_dim", hidden / heads},
      {"hidden_act", "silu"},
      {"hidden_size", hidden},
      {"intermediate_size", metadata.integer("llama.feed_forward_length")},
      {"max_position_embeddings", metadata.integer("llama.context_length")},
      {"mlp_bias", false},
      {"model_type", "llama"},
      {"num_attention_heads", heads},
      {"num_hidden_layers", metadata.integer("llama.block_count")},
      {"num_key_value_heads", kv_heads},
      {"rms_norm_eps", metadata.number("llama.attention.layer_norm_rms_epsilon", std::nullopt)},
      {"rope_theta", metadata.number("llama.rope.freq_base", 10'000.0)},
      {"tie_word_embeddings", tied},
      {"torch_dtype", "float32"},
      {"vocab_size", vocabulary}};
  for (const auto& [name, key] : {std::pair{"bos_token_id", "tokenizer.ggml.bos_token_id"},
                                  std::pair{"eos_token_id", "tokenizer.ggml.eos_token_id"},
                                  std::pair{"pad_token_id", "tokenizer.ggml.padding_token_id"}}) {
    if (const auto* id = metadata.find<std::int64_t>(key)) config[name] = *id;
  }
  return config;
}

json pre_tokenizer_of(const Metadata& metadata) {
  const json byte_level = {{"type", "ByteLevel"},
                           {"add_prefix_space", false},
                           {"trim_offsets", true},
                           {"use_regex", true}};
  const auto kind = metadata.text("tokenizer.ggml.pre", "gpt-2");
  if (kind == "gpt-2") return byte_level;
  if (kind == "smollm") {
    return {{"type", "Sequence"},
            {"pretokenizers", {json{{"type", "Digits"}, {"individual_digits", true}}, byte_level}}};
  }
  metadata.fail("tokenizer.ggml.pre", "expected gpt-2 or smollm, got " + kind);
}

/// An empty pair where the file has no byte-level BPE vocabulary (a decoder then cannot be opened
/// from it, but its weights can be read).
std::pair<std::string, std::string> make_tokenizer(const Metadata& metadata) {
  if (metadata.text("tokenizer.ggml.model", "") != "gpt2") return {};
  const auto* tokens = metadata.find<std::vector<std::string>>("tokenizer.ggml.tokens");
  const auto* merges = metadata.find<std::vector<std::string>>("tokenizer.ggml.merges");
  if (tokens == nullptr) metadata.fail("tokenizer.ggml.tokens", "expected a list of texts");
  if (merges == nullptr) metadata.fail("tokenizer.ggml.merges", "expected a list of texts");
  const auto* types = metadata.find<std::vector<std::int64_t>>("tokenizer.ggml.token_type");
  if (types != nullptr && types->size() != tokens->size()) {
    metadata.fail("tokenizer.ggml.token_type", "expected " + std::to_string(tokens->size()) +
                                                   " types, got " + std::to_string(types->size()));
  }
  json vocabulary = json::object();
  json added = json::array();
  json decoded = json::object();
  for (std::size_t id = 0; id < tokens->size(); ++id) {
    const auto& token = (*tokens)[id];
    if (!vocabulary.emplace(token, id).second)
      metadata.fail("tokenizer.ggml.tokens", "token " + std::to_string(id) + " is there twice");
    const auto type = types == nullptr ? 1 : (*types)[id];
    if (type != kControlToken && type != kUserToken) continue;
    const json entry = {{"content", token},    {"single_word", false},
                        {"lstrip", false},     {"rstrip", false},
                        {"normalized", false}, {"special", type == kControlToken}};
    decoded[std::to_string(id)] = entry;
    added.push_back(entry);
    added.back()["id"] = id;
  }
  const json byte_level = {{"type", "ByteLevel"},
                           {"add_prefix_space", false},
                           {"trim_offsets", true},
                           {"use_regex", true}};
  const json tokenizer = {{"version", "1.0"},
                          {"truncation", nullptr},
                          {"padding", nullptr},
                          {"added_tokens", added},
                          {"normalizer", nullptr},
                          {"pre_tokenizer", pre_tokenizer_of(metadata)},
                          {"post_processor", nullptr},
                          {"decoder", byte_level},
                          {"model",
                           {{"type", "BPE"},
                            {"dropout", nullptr},
                            {"unk_token", nullptr},
                            {"continuing_subword_prefix", nullptr},
                            {"end_of_word_suffix", nullptr},
                            {"fuse_unk", false},
                            {"byte_fallback", false},
                            {"ignore_merges", false},
                            {"vocab", std::move(vocabulary)},
                            {"merges", *merges}}}};
  json config = {{"tokenizer_class", "PreTrainedTokenizerFast"},
                 {"clean_up_tokenization_spaces", false},
                 {"added_tokens_decoder", std::move(decoded)}};
  if (const auto* template_text = metadata.find<std::string>("tokenizer.chat_template"))
    config["chat_template"] = *template_text;
  for (const auto& [name, key] : {std::pair{"bos_token", "tokenizer.ggml.bos_token_id"},
                                  std::pair{"eos_token", "tokenizer.ggml.eos_token_id"},
                                  std::pair{"pad_token", "tokenizer.ggml.padding_token_id"},
                                  std::pair{"unk_token", "tokenizer.ggml.unknown_token_id"}}) {
    const auto* id = metadata.find<std::int64_t>(key);
    if (id == nullptr) continue;
    if (*id < 0 || *id >= static_cast<std::int64_t>(tokens->size())) {
      metadata.fail(key, "expected an id below " + std::to_string(tokens->size()) + ", got " +
                             std::to_string(*id));
    }
    config[name] = (*tokens)[static_cast<std::size_t>(*id)];
  }
  constexpr auto kReplace = json::error_handler_t::replace;
  return {tokenizer.dump(1, ' ', false, kReplace), config.dump(2, ' ', false, kReplace)};
}

/// HF's name for a GGUF tensor; empty for an unknown one.
std::string hf_name(std::string_view name) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 3> kOuter = {{
      {"token_embd.weight", "model.embed_tokens.weight"},
      {"output_norm.weight", "model.norm.weight"},
      {"output.weight", "lm_head.weight"},
  }};
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 9> kInner = {{
      {"attn_norm.weight", "input_layernorm.weight"},
      {"attn_q.weight", "self_attn.q_proj.weight"},
      {"attn_k.weight", "self_attn.k_proj.weight"},
      {"attn_v.weight", "self_attn.v_proj.weight"},
      {"attn_output.weight", "self_attn.o_proj.weight"},
      {"ffn_norm.weight", "post_attention_layernorm.weight"},
      {"ffn_gate.weight", "mlp.gate_proj.weight"},
      {"ffn_up.weight", "mlp.up_proj.weight"},
      {"ffn_down.weight", "mlp.down_proj.weight"},
  }};
  for (const auto& [gguf, hf] : kOuter)
    if (name == gguf) return std::string(hf);
  constexpr std::string_view kBlock = "blk.";
  if (!name.starts_with(kBlock)) return {};
  name.remove_prefix(kBlock.size());
  const auto dot = name.find('.');
  if (dot == 0 || dot > 6 || name.substr(0, dot).find_first_not_of("0123456789") != name.npos)
    return {};
  for (const auto& [gguf, hf] : kInner) {
    if (name.substr(dot + 1) == gguf)
      return "model.layers." + std::string(name.substr(0, dot)) + "." + std::string(hf);
  }
  return {};
}

/// GGUF interleaves the halves of a rotated head: its row 2i is HF's row i, its row 2i + 1 is HF's
/// row half + i.
void restore_head_rows(Tensor& tensor, std::int64_t heads, const std::string& where) {
  if (tensor.shape.size() != 2 || tensor.shape[0] % (2 * heads) != 0) {
    throw base::UserError(where + ": expected rows of " + std::to_string(heads) +
                          " heads, got shape " + shape_text(tensor.shape));
  }
  const auto columns = tensor.shape[1];
  const auto head_rows = tensor.shape[0] / heads;
  const auto half = head_rows / 2;
  std::vector<float> restored(tensor.values.size());
  for (std::int64_t head = 0; head < heads; ++head) {
    for (std::int64_t row = 0; row < head_rows; ++row) {
      const auto source = head * head_rows + (row % half) * 2 + row / half;
      std::copy_n(tensor.values.begin() + source * columns, columns,
                  restored.begin() + (head * head_rows + row) * columns);
    }
  }
  tensor.values = std::move(restored);
}

std::optional<std::string> scalar_text(const GgufValue& value) {
  if (const auto* integer = std::get_if<std::int64_t>(&value)) return std::to_string(*integer);
  if (const auto* number = std::get_if<double>(&value)) return json(*number).dump();
  if (const auto* flag = std::get_if<bool>(&value)) return *flag ? "true" : "false";
  if (const auto* text = std::get_if<std::string>(&value)) return *text;
  return std::nullopt;
}

}  // namespace

void read_gguf_llama(const GgufFile& gguf, const std::string& file, Checkpoint& checkpoint) {
  const Metadata metadata(gguf, file);
  const auto architecture = metadata.text("general.architecture", "");
  if (architecture != "llama") {
    metadata.fail("general.architecture",
                  "expected llama, got " + (architecture.empty() ? "nothing" : architecture));
  }
  const auto embeddings = std::find_if(gguf.tensors.begin(), gguf.tensors.end(),
                                       [](const auto& t) { return t.name == "token_embd.weight"; });
  if (embeddings == gguf.tensors.end() || embeddings->shape.size() != 2)
    throw base::UserError(file + ": tensor token_embd.weight: expected a matrix, found none");
  const bool tied = std::none_of(gguf.tensors.begin(), gguf.tensors.end(),
                                 [](const auto& t) { return t.name == "output.weight"; });
  const auto config = make_config(metadata, tied, embeddings->shape[0]);
  auto [tokenizer, tokenizer_config] = make_tokenizer(metadata);

  for (const auto& source : gguf.tensors) {
    const auto where = file + ": tensor " + source.name;
    const auto name = hf_name(source.name);
    if (name.empty()) throw base::UserError(where + ": is not part of a plain Llama model");
    Tensor tensor{source.shape, std::vector<float>(static_cast<std::size_t>(source.elements))};
    dequantise(static_cast<QuantType>(source.type), source.bytes, tensor.values);
    if (name.ends_with("q_proj.weight"))
      restore_head_rows(tensor, config["num_attention_heads"].get<std::int64_t>(), where);
    if (name.ends_with("k_proj.weight"))
      restore_head_rows(tensor, config["num_key_value_heads"].get<std::int64_t>(), where);
    if (!checkpoint.tensors.emplace(name, std::move(tensor)).second)
      throw base::UserError(where + ": a second tensor of this name");
  }
  for (const auto& [key, value] : gguf.metadata) {
    if (auto text = scalar_text(value)) checkpoint.metadata[key] = std::move(*text);
  }
  checkpoint.files["config.json"] = config.dump(2);
  if (!tokenizer.empty()) {
    checkpoint.files["tokenizer.json"] = std::move(tokenizer);
    checkpoint.files["tokenizer_config.json"] = std::move(tokenizer_config);
  }
}

}  // namespace rookery::engine::detail
