#pragma once

#include <cstddef>
#include <string_view>

namespace rookery::text::detail {

/// Cuts a text into words by UAX #29 (rules WB3 to WB13b), keeping only segments with a letter, a
/// digit, kana or an ideograph, and at most 255 UTF-16 units of each: what is longer goes on as the
/// next word. ASCII runs take a short way that gives the same words (a test compares the two).
class WordBreaks {
 public:
  explicit WordBreaks(std::string_view text, bool ascii_short_way = true)
      : text_(text), ascii_short_way_(ascii_short_way) {}
  /// The next word as it stands in the text; false at the end.
  bool next();
  [[nodiscard]] std::string_view word() const { return word_; }
  /// Whether all its bytes are ASCII.
  [[nodiscard]] bool ascii() const { return ascii_; }

 private:
  bool ascii_word(std::size_t begin);
  bool any_word(std::size_t begin);

  std::string_view text_;
  bool ascii_short_way_;
  std::size_t at_ = 0;
  std::string_view word_;
  bool ascii_ = false;
};

}  // namespace rookery::text::detail
