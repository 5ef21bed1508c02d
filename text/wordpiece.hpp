#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "text/tokenizer.hpp"

namespace rookery::text {

struct WordPieceOptions {
  bool lower_case = true;  ///< also strips accents (NFD, category Mn), as BERT's uncased models do
  int word_chars_max = 100;  ///< longer words become `[UNK]`
};

/// BERT's tokenizer: clean-up, spaces around CJK characters, lower case, punctuation split, then
/// greedy longest match with `##` pieces. Source: Devlin et al. 2019 and HF's BertTokenizer;
/// specs/hf-rag.md 9.4.
class WordPieceTokenizer final : public Tokenizer {
 public:
  /// `vocabulary` is the text of a `vocab.txt`: line number = id. Throws `UserError` when `[UNK]`,
  /// `[CLS]`,
  /// `[SEP]` or `[PAD]` is missing.
  static std::unique_ptr<WordPieceTokenizer> from_vocabulary(std::string_view vocabulary,
                                                             WordPieceOptions options);
  /// From HF's `tokenizer.json` with a WordPiece model and a BertNormalizer.
  static std::unique_ptr<WordPieceTokenizer> from_tokenizer_json(std::string_view json);
  ~WordPieceTokenizer() override;

  [[nodiscard]] std::vector<TokenId> encode(std::string_view text) const override;
  [[nodiscard]] std::string decode(std::span<const TokenId> ids) const override;
  [[nodiscard]] std::int32_t vocabulary_size() const override;
  [[nodiscard]] TokenId special(std::string_view token) const override;
  /// `[CLS] text [SEP]`, cut on the right to at most `tokens_max` ids including the two.
  [[nodiscard]] std::vector<TokenId> encode_single(std::string_view text,
                                                   std::size_t tokens_max) const;

 private:
  struct Impl;
  explicit WordPieceTokenizer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace rookery::text
