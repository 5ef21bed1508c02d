#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "retriever_pool/retriever.hpp"
#include "text/chat_template.hpp"
#include "text/tokenizer.hpp"

namespace rookery::serving {

/// What the generator reads before its own tokens: a document, which every retrieval replaces, and
/// the question, which stays. Both are functions of (document, question) alone.
class Prompt {
 public:
  virtual ~Prompt() = default;
  /// The whole input with `document` in its place; null: without one.
  [[nodiscard]] virtual std::vector<text::TokenId> tokens(
      const retriever_pool::Document* document) const = 0;
  /// The question alone, without document and template: with the generated tokens it makes the
  /// retrieval queries.
  [[nodiscard]] virtual std::span<const text::TokenId> question() const = 0;
};

struct PromptLimits {
  std::int32_t prompt_tokens_max = 512;    ///< of a longer question its last tokens are kept
  std::int32_t document_tokens_max = 256;  ///< of a longer document its first tokens are kept
};

/// `title`, a line break, the text (the text alone without a title), encoded and cut to its first
/// `tokens_max` tokens. No special tokens are put around it, and none can come out of it.
std::vector<text::TokenId> document_tokens(const text::Tokenizer& tokenizer,
                                           const retriever_pool::Document& document,
                                           std::int32_t tokens_max);

/// In-context RaLM without a template (specs/ralmspec.md 1.0): `[document][question]`, nothing
/// between them.
class PlainPrompt final : public Prompt {
 public:
  /// `tokenizer` outlives this. Throws `UserError` for a question without tokens.
  PlainPrompt(const text::Tokenizer& tokenizer, const std::string& question, PromptLimits limits);
  [[nodiscard]] std::vector<text::TokenId> tokens(
      const retriever_pool::Document* document) const override;
  [[nodiscard]] std::span<const text::TokenId> question() const override { return question_; }

 private:
  const text::Tokenizer& tokenizer_;
  PromptLimits limits_;
  std::vector<text::TokenId> question_;
};

/// Renders a conversation for the generator, ending with the opening of the assistant's turn.
using ChatEncoder =
    std::function<std::vector<text::TokenId>(std::span<const text::ChatMessage> messages)>;

/// A chat model's prompt. The document stands inside the last user message, in front of what the
/// user wrote: `Passage:`, document, blank line, instruction, `Question: ` and the user's words.
/// All other messages are as they came. The question of the queries is the text of the last user
/// message.
class ChatPrompt final : public Prompt {
 public:
  /// `tokenizer` outlives this. The last message must be the user's and hold some text, else
  /// `UserError`. The last message is cut to `prompt_tokens_max`; a conversation is not.
  ChatPrompt(const text::Tokenizer& tokenizer, ChatEncoder encoder,
             std::vector<text::ChatMessage> messages, PromptLimits limits);
  [[nodiscard]] std::vector<text::TokenId> tokens(
      const retriever_pool::Document* document) const override;
  [[nodiscard]] std::span<const text::TokenId> question() const override { return question_; }

 private:
  const text::Tokenizer& tokenizer_;
  ChatEncoder encoder_;
  std::vector<text::ChatMessage> messages_;
  PromptLimits limits_;
  std::vector<text::TokenId> question_;
};

}  // namespace rookery::serving
