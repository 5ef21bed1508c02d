#pragma once

#include <cstddef>
#include <string_view>

#include "text/byte_bpe.hpp"

namespace rookery::text::detail {

/// Cuts `text` into the words within which byte-level BPE merges, in order and without gaps, and
/// calls `word` for each. It is GPT-2's pattern
///   's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
/// as a scanner in one pass; with `kSmolLm` every \p{N} is cut out first. A byte that is no UTF-8
/// counts as a sign of its own.
template <typename Word>
void for_each_word(std::string_view text, PreTokenizer kind, Word&& word);

/// What the pattern tells apart.
enum class CharClass : unsigned char { kOther, kLetter, kNumber, kSpace };

/// A character at the front of a text.
struct CharStep {
  CharClass kind = CharClass::kOther;
  std::size_t bytes = 1;
};

/// The character at `offset`, which must be inside of `text`.
CharStep char_at(std::string_view text, std::size_t offset);

/// The end of the word of GPT-2's pattern that begins at `begin`.
std::size_t gpt2_word_end(std::string_view text, std::size_t begin);

template <typename Word>
void for_each_word(std::string_view text, PreTokenizer kind, Word&& word) {
  const auto cut = [&](std::string_view part) {
    for (std::size_t begin = 0; begin < part.size();) {
      const auto end = gpt2_word_end(part, begin);
      word(part.substr(begin, end - begin));
      begin = end;
    }
  };
  if (kind == PreTokenizer::kGpt2) return cut(text);
  std::size_t begin = 0;
  for (std::size_t at = 0; at < text.size();) {
    const auto step = char_at(text, at);
    if (step.kind == CharClass::kNumber) {
      cut(text.substr(begin, at - begin));
      word(text.substr(at, step.bytes));
      begin = at + step.bytes;
    }
    at += step.bytes;
  }
  cut(text.substr(begin));
}

}  // namespace rookery::text::detail
