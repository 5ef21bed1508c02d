#pragma once

#include <memory>
#include <span>
#include <string_view>

namespace rookery::text {

/// English texts to the terms of BM25, as the EnglishAnalyzer of Lucene 9 does it: word breaks of
/// UAX #29 on ICU's properties (ICU 72: Unicode 15; every ideograph and hiragana a word, runs of
/// Thai, Lao, Khmer and Burmese one word, as in Lucene's StandardTokenizer), words longer than 255
/// UTF-16 units cut into pieces, a possessive 's taken off (also with U+2019 and U+FF07), simple
/// lower case, Lucene's 33 stop words left out, and Porter's algorithm of 1980 from libstemmer 2
/// (`porter`), which leaves words of one or two bytes alone. Known differences from Lucene: emoji
/// are no words, and Lucene's Porter has two later rules (`-bli`, `-logi`) that the paper has not.
/// Bytes that are no UTF-8 separate words. Use from one thread; a call allocates nothing once the
/// buffers have grown.
class EnglishAnalyzer {
 public:
  EnglishAnalyzer();
  ~EnglishAnalyzer();
  EnglishAnalyzer(EnglishAnalyzer&&) noexcept;
  EnglishAnalyzer& operator=(EnglishAnalyzer&&) noexcept;

  /// The terms in the order of the text, repeats included; valid until the next call.
  [[nodiscard]] std::span<const std::string_view> analyse(std::string_view text);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace rookery::text
