#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "text/byte_bpe.hpp"

namespace rookery::text {
namespace {

using nlohmann::json;

PreTokenizer pre_tokenizer_of(const json& node, const std::string& file) {
  const auto is_byte_level = [](const json& part) {
    return part.value("type", "") == "ByteLevel" && !part.value("add_prefix_space", true) &&
           part.value("use_regex", true);
  };
  if (node.is_object() && is_byte_level(node)) return PreTokenizer::kGpt2;
  if (node.is_object() && node.value("type", "") == "Sequence") {
    const auto parts = node.value("pretokenizers", json::array());
    if (parts.size() == 2 && parts[0].value("type", "") == "Digits" &&
        parts[0].value("individual_digits", false) && is_byte_level(parts[1])) {
      return PreTokenizer::kSmolLm;
    }
  }
  throw base::UserError(file +
                        ": pre_tokenizer: expected ByteLevel without a prefix space, or single "
                        "Digits and then that");
}

void read_vocabulary(const json& model, const std::string& file, ByteBpeModel& result) {
  const auto& vocabulary = model.at("vocab");
  for (const auto& [token, id] : vocabulary.items()) {
    const auto index = id.get<std::int64_t>();
    // Added tokens may lie behind the vocabulary, but ids leave no room for a hostile size.
    if (index < 0 || index >= static_cast<std::int64_t>(vocabulary.size()) + 65'536) {
      throw base::UserError(file + ": model.vocab: token '" + token + "': id " +
                            std::to_string(index) + " is out of range");
    }
    if (result.tokens.size() <= static_cast<std::size_t>(index))
      result.tokens.resize(static_cast<std::size_t>(index) + 1);
    result.tokens[static_cast<std::size_t>(index)] = token;
  }
}

void read_added_tokens(const json& added, const std::string& file, ByteBpeModel& result) {
  for (const auto& token : added) {
    const auto id = token.at("id").get<std::int64_t>();
    const auto content = token.at("content").get<std::string>();
    if (id < 0 || id >= static_cast<std::int64_t>(result.tokens.size()) + 65'536) {
      throw base::UserError(file + ": added_tokens: '" + content + "': id " + std::to_string(id) +
                            " is out of range");
    }
    if (result.tokens.size() <= static_cast<std::size_t>(id))
      result.tokens.resize(static_cast<std::size_t>(id) + 1);
    result.tokens[static_cast<std::size_t>(id)] = content;
    if (token.value("special", false)) result.special_ids.push_back(static_cast<TokenId>(id));
  }
}

}  // namespace

ByteBpeModel ByteBpeModel::from_tokenizer_json(std::string_view text, const std::string& file) {
  const auto root = json::parse(text, nullptr, false);
  if (!root.is_object()) throw base::UserError(file + ": expected a JSON object");
  ByteBpeModel result;
  try {
    const auto& model = root.at("model");
    if (model.value("type", "") != "BPE") {
      throw base::UserError(file + ": model.type: expected BPE, got '" + model.value("type", "") +
                            "'");
    }
    if (root.contains("normalizer") && !root["normalizer"].is_null())
      throw base::UserError(file + ": normalizer: expected none for a byte-level model");
    result.pre_tokenizer = pre_tokenizer_of(root.at("pre_tokenizer"), file);
    read_vocabulary(model, file, result);
    for (const auto& merge : model.at("merges")) {  // "left right", or a pair since tokenizers 0.20
      result.merges.push_back(merge.is_string() ? merge.get<std::string>()
                                                : merge.at(0).get<std::string>() + " " +
                                                      merge.at(1).get<std::string>());
    }
    if (root.contains("added_tokens")) read_added_tokens(root["added_tokens"], file, result);
  } catch (const json::exception& error) {
    throw base::UserError(file + ": not a tokenizer.json with a BPE model (" + error.what() + ")");
  }
  return result;
}

}  // namespace rookery::text
