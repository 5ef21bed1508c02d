#pragma once

#include <span>
#include <string>
#include <vector>

#include "text/byte_bpe.hpp"

namespace rookery::text {

struct ChatMessage {
  std::string role;  ///< "system", "user" or "assistant"
  std::string content;
};

/// ChatML as SmolLM2-Instruct was trained with: `<|im_start|>role\ncontent<|im_end|>\n` for each
/// message, its default system message in front when there is none, and the opening of the
/// assistant's turn at the end. Contents are encoded as plain text, so they cannot open or close a
/// turn. Throws `UserError` for an unknown role or an empty list.
std::vector<TokenId> encode_chat(const ByteBpeTokenizer& tokenizer,
                                 std::span<const ChatMessage> messages);

}  // namespace rookery::text
