#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace rookery::text::detail {

/// What BERT's normaliser does before words are cut.
struct BertNormaliserOptions {
  bool clean = true;          ///< drop control characters, every white space becomes a space
  bool space_cjk = true;      ///< every CJK ideograph is a word of its own
  bool strip_accents = true;  ///< canonical decomposition without category Mn
  bool lower_case = true;
};

/// Cuts a text into BERT's words: runs without white space, every punctuation sign alone. It hands
/// out one word after the other, so that a text that will be cut is not read to its end. Bytes that
/// are no UTF-8 are dropped, as U+FFFD is. Source: HF's BertNormalizer and BertPreTokenizer.
class BertWords {
 public:
  BertWords(std::string_view text, BertNormaliserOptions options)
      : text_(text), options_(options) {}
  /// False at the end of the text.
  bool next();
  /// The current word, normalised; valid until `next`.
  [[nodiscard]] std::string_view word() const { return word_; }
  /// Its length in characters.
  [[nodiscard]] std::size_t characters() const { return characters_; }

 private:
  /// Reads one character that is not ASCII into `pending_`, already normalised.
  void read_wide();
  /// Takes a normalised character; true when `word_` is complete and the character must wait.
  bool take(std::uint32_t character);

  std::string_view text_;
  BertNormaliserOptions options_;
  std::size_t at_ = 0;
  std::u32string pending_;  ///< normalised characters that no word holds yet
  std::size_t pending_at_ = 0;
  std::string word_;
  std::size_t characters_ = 0;
  bool alone_ = false;  ///< the word is a punctuation sign
};

}  // namespace rookery::text::detail
