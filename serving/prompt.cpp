#include "serving/prompt.hpp"

#include <algorithm>
#include <string_view>
#include <utility>

#include "base/error.hpp"
#include "serving/utf8.hpp"

namespace rookery::serving {
namespace {

constexpr std::string_view kInstruction =
    "Use the passage to answer the question in a full paragraph.";

void keep_last(std::vector<text::TokenId>& ids, std::int32_t tokens_max) {
  const auto limit = static_cast<std::ptrdiff_t>(tokens_max);
  const auto size = static_cast<std::ptrdiff_t>(ids.size());
  if (size > limit) ids.erase(ids.begin(), ids.begin() + (size - limit));
}

}  // namespace

std::vector<text::TokenId> document_tokens(const text::Tokenizer& tokenizer,
                                           const retriever_pool::Document& document,
                                           std::int32_t tokens_max) {
  std::vector<text::TokenId> ids = tokenizer.encode(
      document.title.empty() ? document.text : document.title + "\n" + document.text);
  if (ids.size() > static_cast<std::size_t>(tokens_max)) {
    ids.resize(static_cast<std::size_t>(tokens_max));
  }
  return ids;
}

PlainPrompt::PlainPrompt(const text::Tokenizer& tokenizer, const std::string& question,
                         PromptLimits limits)
    : tokenizer_(tokenizer), limits_(limits), question_(tokenizer.encode(question)) {
  if (question_.empty()) throw base::UserError("the question is empty: expected some text");
  keep_last(question_, limits_.prompt_tokens_max);
}

std::vector<text::TokenId> PlainPrompt::tokens(const retriever_pool::Document* document) const {
  std::vector<text::TokenId> ids;
  if (document != nullptr) {
    ids = document_tokens(tokenizer_, *document, limits_.document_tokens_max);
  }
  ids.insert(ids.end(), question_.begin(), question_.end());
  return ids;
}

ChatPrompt::ChatPrompt(const text::Tokenizer& tokenizer, ChatEncoder encoder,
                       std::vector<text::ChatMessage> messages, PromptLimits limits)
    : tokenizer_(tokenizer),
      encoder_(std::move(encoder)),
      messages_(std::move(messages)),
      limits_(limits) {
  if (messages_.empty() || messages_.back().role != "user") {
    throw base::UserError("the last message must be the user's" +
                          (messages_.empty() ? std::string(", got no message")
                                             : ", got role '" + messages_.back().role + "'"));
  }
  std::string& last = messages_.back().content;
  question_ = tokenizer_.encode(last);
  if (question_.empty()) throw base::UserError("the last message is empty: expected some text");
  if (question_.size() > static_cast<std::size_t>(limits_.prompt_tokens_max)) {
    keep_last(question_, limits_.prompt_tokens_max);
    last = valid_utf8(tokenizer_.decode(question_));
  }
}

std::vector<text::TokenId> ChatPrompt::tokens(const retriever_pool::Document* document) const {
  if (document == nullptr) return encoder_(messages_);
  std::vector<text::ChatMessage> messages = messages_;
  const std::string read = valid_utf8(
      tokenizer_.decode(document_tokens(tokenizer_, *document, limits_.document_tokens_max)));
  messages.back().content = "Passage:\n" + read + "\n\n" + std::string(kInstruction) +
                            "\nQuestion: " + messages_.back().content;
  return encoder_(messages);
}

}  // namespace rookery::serving
