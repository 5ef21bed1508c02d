#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace rookery::index_tools::detail {

/// One code point and the bytes it takes; `bytes` of 0 means invalid UTF-8 (overlong forms,
/// surrogates and values above 10FFFF too).
struct CodePoint {
  char32_t value = 0;
  int bytes = 0;
};
CodePoint decode_utf8(std::string_view text, std::size_t at);

/// Where the first invalid byte stands, if there is one.
std::optional<std::size_t> first_invalid_utf8(std::string_view text);

/// Unicode's White_Space, and 1C-1F.
bool is_white_space(char32_t value);

/// True when `text` holds no other characters than white space; expects valid UTF-8.
bool is_blank(std::string_view text);

}  // namespace rookery::index_tools::detail
