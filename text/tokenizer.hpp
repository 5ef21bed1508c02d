#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace rookery::text {

using TokenId = std::int32_t;

/// Text to token ids and back, as the model's own reference tokenizer does it. Immutable: any
/// thread may call.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;
  /// Ids of `text` alone, without the special tokens that a model puts around it. Text that looks
  /// like a special token stays plain text: what comes from documents and users can never become a
  /// control token.
  [[nodiscard]] virtual std::vector<TokenId> encode(std::string_view text) const = 0;
  /// The text of `ids`; special tokens are left out. Bytes that are no valid UTF-8 (half a
  /// character at the end) come as they are.
  [[nodiscard]] virtual std::string decode(std::span<const TokenId> ids) const = 0;
  [[nodiscard]] virtual std::int32_t vocabulary_size() const = 0;
  /// The id of a special token by its text (`[CLS]`, `<|im_end|>`); throws `std::invalid_argument`
  /// for others.
  [[nodiscard]] virtual TokenId special(std::string_view token) const = 0;
};

}  // namespace rookery::text
