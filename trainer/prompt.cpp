#include "trainer/prompt.hpp"

#include <algorithm>
#include <stdexcept>

namespace rookery::trainer {
namespace {

constexpr std::int32_t kTitleTokensMax = 32;

void append_cut(std::vector<text::TokenId>& to, const std::vector<text::TokenId>& from,
                std::int32_t tokens_max) {
  const auto count = std::min(from.size(), static_cast<std::size_t>(tokens_max));
  to.insert(to.end(), from.begin(), from.begin() + static_cast<std::ptrdiff_t>(count));
}

}  // namespace

PromptFormat::PromptFormat(const text::Tokenizer& tokenizer, text::TokenId end,
                           PromptOptions options)
    : tokenizer_(tokenizer),
      end_(end),
      options_(options),
      before_question_(tokenizer.encode("\nQuestion:")),
      before_answer_(tokenizer.encode("\nAnswer:")) {
  if (end < 0) throw std::invalid_argument("prompt: the generator has no end-of-sequence token");
}

std::vector<text::TokenId> PromptFormat::prompt(std::string_view title, std::string_view passage,
                                                std::string_view question) const {
  std::vector<text::TokenId> tokens;
  if (!title.empty()) {
    append_cut(tokens, tokenizer_.encode("Title: " + std::string(title)), kTitleTokensMax);
    append_cut(tokens, tokenizer_.encode("\n"), 1);
  }
  append_cut(tokens, tokenizer_.encode(passage), options_.passage_tokens);
  tokens.insert(tokens.end(), before_question_.begin(), before_question_.end());
  append_cut(tokens, tokenizer_.encode(" " + std::string(question)), options_.question_tokens);
  tokens.insert(tokens.end(), before_answer_.begin(), before_answer_.end());
  return tokens;
}

std::vector<text::TokenId> PromptFormat::answer(std::string_view answer) const {
  std::vector<text::TokenId> tokens;
  append_cut(tokens, tokenizer_.encode(" " + std::string(answer)), options_.answer_tokens);
  tokens.push_back(end_);
  return tokens;
}

bool PromptFormat::ends(text::TokenId token) const {
  if (token == end_) return true;
  const text::TokenId one[] = {token};
  return tokenizer_.decode(one).find('\n') != std::string::npos;
}

std::string PromptFormat::answer_text(const std::vector<text::TokenId>& tokens) const {
  std::string text = tokenizer_.decode(tokens);
  // An untuned model may open a line first; the answer is the first line that says something.
  const auto begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string::npos) return "";
  text = text.substr(begin, text.find('\n', begin) - begin);
  text.erase(text.find_last_not_of(" \t\r") + 1);
  return text;
}

}  // namespace rookery::trainer
