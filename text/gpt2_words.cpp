#include "text/detail/gpt2_words.hpp"

#include <unicode/uchar.h>
#include <unicode/utf8.h>

#include <array>
#include <cstdint>

namespace rookery::text::detail {
namespace {

CharClass class_of(UChar32 code) {
  const auto category = U_GET_GC_MASK(code);
  if ((category & U_GC_L_MASK) != 0) return CharClass::kLetter;
  if ((category & U_GC_N_MASK) != 0) return CharClass::kNumber;
  return u_isUWhiteSpace(code) != 0 ? CharClass::kSpace : CharClass::kOther;
}

const std::array<CharClass, 128>& ascii_classes() {
  static const auto classes = [] {
    std::array<CharClass, 128> table{};
    for (std::size_t code = 0; code < table.size(); ++code)
      table[code] = class_of(static_cast<UChar32>(code));
    return table;
  }();
  return classes;
}

std::size_t run_end(std::string_view text, std::size_t at, CharClass kind) {
  while (at < text.size()) {
    const auto step = char_at(text, at);
    if (step.kind != kind) break;
    at += step.bytes;
  }
  return at;
}

/// Bytes of `'s`, `'t`, `'re`, `'ve`, `'m`, `'ll` or `'d` at the front, else 0.
std::size_t contraction_bytes(std::string_view text) {
  if (text.size() < 2) return 0;
  const char first = text[1];
  if (first == 's' || first == 't' || first == 'm' || first == 'd') return 2;
  const char second = text.size() > 2 ? text[2] : '\0';
  const bool pair = (first == 'r' && second == 'e') || (first == 'v' && second == 'e') ||
                    (first == 'l' && second == 'l');
  return pair ? 3 : 0;
}

}  // namespace

CharStep char_at(std::string_view text, std::size_t offset) {
  const auto lead = static_cast<unsigned char>(text[offset]);
  if (lead < 128) return {ascii_classes()[lead], 1};
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(text.data() + offset);
  const auto left = static_cast<std::int32_t>(text.size() - offset < 4 ? text.size() - offset : 4);
  std::int32_t used = 0;
  UChar32 code = 0;
  U8_NEXT(bytes, used, left, code);
  if (code < 0) return {CharClass::kOther, 1};
  return {class_of(code), static_cast<std::size_t>(used)};
}

std::size_t gpt2_word_end(std::string_view text, std::size_t begin) {
  if (text[begin] == '\'') {
    if (const auto bytes = contraction_bytes(text.substr(begin)); bytes > 0) return begin + bytes;
  }
  const auto first = char_at(text, begin);
  if (first.kind != CharClass::kSpace) return run_end(text, begin + first.bytes, first.kind);
  if (text[begin] == ' ' && begin + 1 < text.size()) {
    const auto next = char_at(text, begin + 1);
    if (next.kind != CharClass::kSpace) return run_end(text, begin + 1 + next.bytes, next.kind);
  }
  // White space: a run keeps its last character back for the word behind it, if it can.
  std::size_t last = begin;
  std::size_t end = begin;
  while (end < text.size()) {
    const auto step = char_at(text, end);
    if (step.kind != CharClass::kSpace) break;
    last = end;
    end += step.bytes;
  }
  return end == text.size() || last == begin ? end : last;
}

}  // namespace rookery::text::detail
