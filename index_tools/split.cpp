#include "index_tools/split.hpp"

#include "index_tools/detail/utf8.hpp"

#include <algorithm>
#include <stdexcept>

namespace rookery::index_tools {
namespace {

/// Calls `word(begin, end)` for each word, with byte positions.
template <typename Visitor>
void for_each_word(std::string_view text, Visitor word) {
  constexpr std::size_t kNone = std::string_view::npos;
  std::size_t begin = kNone;
  for (std::size_t at = 0; at < text.size();) {
    const detail::CodePoint point = detail::decode_utf8(text, at);
    const bool space = point.bytes > 0 && detail::is_white_space(point.value);
    if (space && begin != kNone) {
      word(begin, at);
      begin = kNone;
    } else if (!space && begin == kNone) {
      begin = at;
    }
    at += static_cast<std::size_t>(std::max(point.bytes, 1));
  }
  if (begin != kNone) word(begin, text.size());
}

}  // namespace

std::vector<std::string_view> split_words(std::string_view text, std::int32_t words_max) {
  if (words_max < 0) throw std::invalid_argument("split_words: expected words_max of at least 0");
  std::vector<std::string_view> pieces;
  std::size_t piece_begin = 0, piece_end = 0;
  std::int64_t words = 0;
  for_each_word(text, [&](std::size_t begin, std::size_t end) {
    if (words_max > 0 && words == words_max) {
      pieces.push_back(text.substr(piece_begin, piece_end - piece_begin));
      words = 0;
    }
    if (words == 0) piece_begin = begin;
    piece_end = end;
    ++words;
  });
  if (words > 0) {
    pieces.push_back(words_max == 0 ? text : text.substr(piece_begin, piece_end - piece_begin));
  }
  return pieces;
}

std::int64_t count_words(std::string_view text) {
  std::int64_t words = 0;
  for_each_word(text, [&](std::size_t, std::size_t) { ++words; });
  return words;
}

}  // namespace rookery::index_tools
