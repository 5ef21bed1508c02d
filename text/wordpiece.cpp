#include "text/wordpiece.hpp"

#include "base/error.hpp"
#include "text/detail/bert_normaliser.hpp"
#include "text/detail/piece_table.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <limits>
#include <stdexcept>
#include <unordered_map>
#include <utility>

namespace rookery::text {
namespace {

constexpr std::string_view kContinuation = "##";
constexpr std::array<std::string_view, 5> kSpecial = {"[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]"};

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
    text.replace(at, from.size(), to);
  }
}

/// What HF's WordPiece decoder does to every piece (to the whole, its tokenizer does nothing).
void clean_up(std::string& text) {
  for (const auto& [from, to] : std::array<std::pair<std::string_view, std::string_view>, 11>{{
           {" .", "."},
           {" ?", "?"},
           {" !", "!"},
           {" ,", ","},
           {" ' ", "'"},
           {" n't", "n't"},
           {" 'm", "'m"},
           {" do not", " don't"},
           {" 's", "'s"},
           {" 've", "'ve"},
           {" 're", "'re"},
       }}) {
    replace_all(text, from, to);
  }
}

}  // namespace

struct WordPieceTokenizer::Impl {
  Impl(std::vector<std::string> pieces, detail::BertNormaliserOptions normaliser_options,
       std::size_t characters_max)
      : tokens(std::move(pieces)),
        normaliser(normaliser_options),
        word_characters_max(characters_max),
        starts(tokens.size()),
        continuations(tokens.size()) {
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      const std::string_view token = tokens[i];
      const auto id = static_cast<TokenId>(i);
      if (std::find(kSpecial.begin(), kSpecial.end(), token) != kSpecial.end()) {
        specials[std::string(token)] = id;
      }
      if (token.size() > kContinuation.size() && token.starts_with(kContinuation)) {
        continuations.add(token.substr(kContinuation.size()), id);
      } else {
        starts.add(token, id);
      }
    }
    for (const auto name : {kSpecial[0], kSpecial[1], kSpecial[2], kSpecial[3]}) {
      if (!specials.contains(std::string(name))) {
        throw base::UserError("WordPiece vocabulary of " + std::to_string(tokens.size()) +
                              " tokens: expected the token " + std::string(name) +
                              ", found none; is this the model's own vocab.txt?");
      }
    }
    unknown = specials.at("[UNK]");
  }

  void append_word(std::string_view word, std::size_t characters, std::vector<TokenId>& ids) const {
    if (characters > word_characters_max) {
      ids.push_back(unknown);
      return;
    }
    const std::size_t begin = ids.size();
    const detail::PieceTable* table = &starts;
    while (!word.empty()) {
      const auto match = table->longest_prefix(word);
      if (match.id < 0) {
        ids.resize(begin);
        ids.push_back(unknown);
        return;
      }
      ids.push_back(match.id);
      word.remove_prefix(match.bytes);
      table = &continuations;
    }
  }

  /// Stops once there are `ids_max` ids or a few more.
  void append(std::string_view text, std::size_t ids_max, std::vector<TokenId>& ids) const {
    detail::BertWords words(text, normaliser);
    while (ids.size() < ids_max && words.next()) {
      append_word(words.word(), words.characters(), ids);
    }
  }

  std::vector<std::string> tokens;
  detail::BertNormaliserOptions normaliser;
  std::size_t word_characters_max;
  detail::PieceTable starts, continuations;
  std::unordered_map<std::string, TokenId> specials;
  TokenId unknown = -1;
};

WordPieceTokenizer::WordPieceTokenizer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
WordPieceTokenizer::~WordPieceTokenizer() = default;

std::unique_ptr<WordPieceTokenizer> WordPieceTokenizer::from_vocabulary(std::string_view vocabulary,
                                                                        WordPieceOptions options) {
  std::vector<std::string> tokens;
  while (!vocabulary.empty()) {
    const std::size_t end = std::min(vocabulary.find('\n'), vocabulary.size());
    std::string_view line = vocabulary.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    tokens.emplace_back(line);
    vocabulary.remove_prefix(std::min(end + 1, vocabulary.size()));
  }
  detail::BertNormaliserOptions normaliser;
  normaliser.lower_case = normaliser.strip_accents = options.lower_case;
  return std::unique_ptr<WordPieceTokenizer>(new WordPieceTokenizer(std::make_unique<Impl>(
      std::move(tokens), normaliser, static_cast<std::size_t>(options.word_chars_max))));
}

std::unique_ptr<WordPieceTokenizer> WordPieceTokenizer::from_tokenizer_json(std::string_view json) {
  const auto fail = [](const std::string& what) {
    throw base::UserError("tokenizer.json: " + what);
  };
  try {
    const auto root = nlohmann::json::parse(json);
    const auto& model = root.at("model");
    if (const auto type = model.value("type", std::string("WordPiece")); type != "WordPiece") {
      fail("model.type: expected WordPiece, got '" + type + "'");
    }
    if (const auto prefix = model.value("continuing_subword_prefix", std::string(kContinuation));
        prefix != kContinuation) {
      fail("model.continuing_subword_prefix: expected '##', got '" + prefix + "'");
    }
    const auto& vocabulary = model.at("vocab");
    std::vector<std::string> tokens(vocabulary.size());
    for (const auto& [token, value] : vocabulary.items()) {
      const auto id = value.get<std::int64_t>();
      if (id < 0 || id >= static_cast<std::int64_t>(tokens.size()) ||
          !tokens[static_cast<std::size_t>(id)].empty()) {
        fail("model.vocab: expected the ids 0 to " + std::to_string(tokens.size() - 1) +
             ", each once, got " + std::to_string(id) + " for '" + token + "'");
      }
      tokens[static_cast<std::size_t>(id)] = token;
    }
    const auto& normalizer = root.at("normalizer");
    if (const auto type = normalizer.value("type", std::string()); type != "BertNormalizer") {
      fail("normalizer.type: expected BertNormalizer, got '" + type + "'");
    }
    detail::BertNormaliserOptions options;
    options.clean = normalizer.value("clean_text", true);
    options.space_cjk = normalizer.value("handle_chinese_chars", true);
    options.lower_case = normalizer.value("lowercase", true);
    const auto accents = normalizer.find("strip_accents");
    options.strip_accents = accents == normalizer.end() || accents->is_null()
                                ? options.lower_case
                                : accents->get<bool>();
    return std::unique_ptr<WordPieceTokenizer>(new WordPieceTokenizer(std::make_unique<Impl>(
        std::move(tokens), options, model.value("max_input_chars_per_word", std::size_t{100}))));
  } catch (const nlohmann::json::exception& error) {
    fail(std::string("expected a WordPiece tokenizer as HF's tokenizers writes it: ") +
         error.what());
  }
  return nullptr;  // not reached: `fail` throws
}

std::vector<TokenId> WordPieceTokenizer::encode(std::string_view text) const {
  std::vector<TokenId> ids;
  ids.reserve(text.size() / 4 + 4);
  impl_->append(text, std::numeric_limits<std::size_t>::max(), ids);
  return ids;
}

std::vector<TokenId> WordPieceTokenizer::encode_single(std::string_view text,
                                                       std::size_t tokens_max) const {
  if (tokens_max < 2) {
    throw std::invalid_argument("encode_single: expected tokens_max of at least 2, got " +
                                std::to_string(tokens_max));
  }
  std::vector<TokenId> ids;
  ids.reserve(std::min(tokens_max, text.size() / 4 + 8));
  ids.push_back(special("[CLS]"));
  impl_->append(text, tokens_max - 1, ids);
  if (ids.size() > tokens_max - 1) ids.resize(tokens_max - 1);
  ids.push_back(special("[SEP]"));
  return ids;
}

std::string WordPieceTokenizer::decode(std::span<const TokenId> ids) const {
  std::string text;
  for (const TokenId id : ids) {
    if (id < 0 || id >= vocabulary_size()) {
      throw std::invalid_argument("decode: expected ids in [0, " +
                                  std::to_string(vocabulary_size()) + "), got " +
                                  std::to_string(id));
    }
    std::string piece = impl_->tokens[static_cast<std::size_t>(id)];
    if (impl_->specials.contains(piece)) continue;
    if (!text.empty()) {
      if (piece.starts_with(kContinuation)) {
        piece.erase(0, kContinuation.size());
      } else {
        piece.insert(0, " ");
      }
    }
    clean_up(piece);
    text += piece;
  }
  return text;
}

std::int32_t WordPieceTokenizer::vocabulary_size() const {
  return static_cast<std::int32_t>(impl_->tokens.size());
}

TokenId WordPieceTokenizer::special(std::string_view token) const {
  const auto found = impl_->specials.find(std::string(token));
  if (found == impl_->specials.end()) {
    throw std::invalid_argument("WordPiece: no special token '" + std::string(token) + "'");
  }
  return found->second;
}

}  // namespace rookery::text
