#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace rookery::index_tools {

/// Cuts a text into pieces of at most `words_max` words; a word is a run without white space
/// (Unicode's White_Space and the ASCII separators 1C-1F, as Python's `str.split` sees it). A piece
/// is the text from its first word to its last, bytes as they were. `words_max` of 0 gives the text
/// whole, as it came. A text without words gives nothing. The views point into `text`.
std::vector<std::string_view> split_words(std::string_view text, std::int32_t words_max);

/// The number of words as above.
std::int64_t count_words(std::string_view text);

}  // namespace rookery::index_tools
