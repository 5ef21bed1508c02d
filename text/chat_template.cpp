#include "text/chat_template.hpp"

#include "base/error.hpp"

namespace rookery::text {
namespace {

constexpr std::string_view kDefaultSystem =
    "You are a helpful AI assistant named SmolLM, trained by Hugging Face";

void append(std::vector<TokenId>& ids, const std::vector<TokenId>& more) {
  ids.insert(ids.end(), more.begin(), more.end());
}

}  // namespace

std::vector<TokenId> encode_chat(const ByteBpeTokenizer& tokenizer,
                                 std::span<const ChatMessage> messages) {
  if (messages.empty()) throw base::UserError("messages: expected at least one, got none");
  const auto start = tokenizer.special("<|im_start|>");
  const auto end = tokenizer.special("<|im_end|>");
  const auto line_break = tokenizer.encode("\n");
  std::vector<TokenId> ids;
  const auto add = [&](std::string_view role, std::string_view content) {
    ids.push_back(start);
    append(ids, tokenizer.encode(std::string(role) + "\n" + std::string(content)));
    ids.push_back(end);
    append(ids, line_break);
  };
  if (messages.front().role != "system") add("system", kDefaultSystem);
  for (const auto& message : messages) {
    if (message.role != "system" && message.role != "user" && message.role != "assistant") {
      throw base::UserError("messages: role: expected system, user or assistant, got '" +
                            message.role + "'");
    }
    add(message.role, message.content);
  }
  ids.push_back(start);
  append(ids, tokenizer.encode("assistant\n"));
  return ids;
}

}  // namespace rookery::text
