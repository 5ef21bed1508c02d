#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "text/tokenizer.hpp"

namespace rookery::trainer {

/// How long the parts of a prompt may get, in tokens of the generator.
struct PromptOptions {
  std::int32_t passage_tokens = 96;   ///< of the passage's text, cut on the right, [8, 4096]
  std::int32_t question_tokens = 48;  ///< [4, 4096]
  std::int32_t answer_tokens = 16;    ///< without the end token, [1, 512]
};

/// What the generator reads and writes, in training and in evaluation alike:
/// `Title: T\nX\nQuestion: Q\nAnswer:` and then ` A` and the end token. Passage and question are
/// cut separately, so a long passage never pushes the question out (specs/hf-rag.md 1.5 does).
/// The title stands behind `: ` as the answer does, so that a copied title has the same tokens.
class PromptFormat {
 public:
  /// `tokenizer` outlives the format; `end` is the model's end-of-sequence token.
  PromptFormat(const text::Tokenizer& tokenizer, text::TokenId end, PromptOptions options);
  [[nodiscard]] std::vector<text::TokenId> prompt(std::string_view title, std::string_view passage,
                                                  std::string_view question) const;
  /// The tokens to be learnt, with the end token.
  [[nodiscard]] std::vector<text::TokenId> answer(std::string_view answer) const;
  /// An answer is over at the end token or at a line's end.
  [[nodiscard]] bool ends(text::TokenId token) const;
  /// The text of generated tokens: the first line, without spaces around it.
  [[nodiscard]] std::string answer_text(const std::vector<text::TokenId>& tokens) const;
  [[nodiscard]] const PromptOptions& options() const { return options_; }
  [[nodiscard]] text::TokenId end() const { return end_; }

 private:
  const text::Tokenizer& tokenizer_;
  text::TokenId end_;
  PromptOptions options_;
  std::vector<text::TokenId> before_question_, before_answer_;
};

}  // namespace rookery::trainer
