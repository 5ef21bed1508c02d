#include "text/english_analyzer.hpp"

#include <libstemmer.h>
#include <unicode/uchar.h>
#include <unicode/utf8.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "text/detail/word_breaks.hpp"

namespace rookery::text {
namespace {

constexpr std::array<std::string_view, 33> kStopWords = {
    "a",   "an",    "and",  "are",   "as",    "at",   "be",   "but", "by",  "for",  "if",
    "in",  "into",  "is",   "it",    "no",    "not",  "of",   "on",  "or",  "such", "that",
    "the", "their", "then", "there", "these", "they", "this", "to",  "was", "will", "with"};
constexpr std::size_t kStopBytesMax = 5;

/// The first eight bytes of a word as a number; words of up to eight bytes have numbers of their
/// own.
std::uint64_t head_of(std::string_view word) {
  std::uint64_t head = 0;
  std::memcpy(&head, word.data(), std::min<std::size_t>(word.size(), 8));
  return head;
}

std::uint64_t mix(std::uint64_t value) {
  value *= 0x9E3779B97F4A7C15U;
  return value ^ (value >> 32U);
}

/// Stop words by their eight bytes in a small table without collisions of more than one step.
class StopWords {
 public:
  StopWords() {
    for (const std::string_view word : kStopWords) {
      std::size_t slot = slot_of(head_of(word));
      while (slots_[slot] != 0) slot = (slot + 1) % slots_.size();
      slots_[slot] = head_of(word);
    }
  }
  [[nodiscard]] bool contains(std::string_view word) const {
    if (word.size() > kStopBytesMax) return false;
    const std::uint64_t head = head_of(word);
    for (std::size_t slot = slot_of(head); slots_[slot] != 0; slot = (slot + 1) % slots_.size()) {
      if (slots_[slot] == head) return true;
    }
    return false;
  }

 private:
  static std::size_t slot_of(std::uint64_t head) { return mix(head) % 256; }
  std::array<std::uint64_t, 256> slots_{};
};

/// Remembers the stems of short words, one a slot: stemming is most of an analysis otherwise.
class StemMemory {
 public:
  static constexpr std::size_t kBytesMax = 23;
  struct Entry {
    std::uint8_t word_bytes = 0, stem_bytes = 0;  // no word: the slot is free
    std::array<char, kBytesMax> word, stem;
  };
  StemMemory() : entries_(kEntries) {}
  Entry& entry_of(std::string_view word) {
    std::uint64_t hash = mix(head_of(word) + word.size());
    for (std::size_t at = 8; at < word.size(); at += 8) {
      hash = mix(hash ^ head_of(word.substr(at)));
    }
    return entries_[hash % kEntries];
  }

 private:
  static constexpr std::size_t kEntries = 8192;  // 400 KB
  std::vector<Entry> entries_;
};

struct StemmerDeleter {
  void operator()(sb_stemmer* stemmer) const { sb_stemmer_delete(stemmer); }
};

/// The last character of a word and, before it, an apostrophe: how many bytes they are.
std::size_t possessive_bytes(std::string_view word) {
  if (word.size() < 2 || (word.back() != 's' && word.back() != 'S')) return 0;
  word.remove_suffix(1);
  if (word.back() == '\'') return 2;
  if (word.ends_with("\xE2\x80\x99") || word.ends_with("\xEF\xBC\x87")) return 4;
  return 0;
}

}  // namespace

struct EnglishAnalyzer::Impl {
  StopWords stop_words;
  StemMemory memory;
  std::unique_ptr<sb_stemmer, StemmerDeleter> stemmer{sb_stemmer_new("porter", "UTF_8")};
  std::string lower;              // one word
  std::string bytes;              // of all terms, without gaps
  std::vector<std::size_t> ends;  // of the terms in `bytes`
  std::vector<std::string_view> terms;

  void lower_case(std::string_view word, bool ascii) {
    lower.assign(word);
    if (ascii) {
      for (char& c : lower) c = static_cast<char>(c | (c >= 'A' && c <= 'Z' ? 0x20 : 0));
      return;
    }
    lower.clear();
    for (std::size_t at = 0; at < word.size();) {
      UChar32 c;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"  // inside ICU's macros
      U8_NEXT(word.data(), at, word.size(), c);
      std::array<char, 4> encoded;
      std::int32_t length = 0;
      UBool failed = c < 0;
      if (failed == 0) U8_APPEND(encoded.data(), length, 4, u_tolower(c), failed);
#pragma GCC diagnostic pop
      if (failed == 0) lower.append(encoded.data(), static_cast<std::size_t>(length));
    }
  }

  std::string_view stem(std::string_view word) {
    const auto* letters = reinterpret_cast<const sb_symbol*>(word.data());
    const sb_symbol* stemmed =
        sb_stemmer_stem(stemmer.get(), letters, static_cast<int>(word.size()));
    if (stemmed == nullptr) throw std::bad_alloc();
    return {reinterpret_cast<const char*>(stemmed),
            static_cast<std::size_t>(sb_stemmer_length(stemmer.get()))};
  }

  void append(std::string_view term) {
    bytes.append(term);
    ends.push_back(bytes.size());
  }

  void append_stem(std::string_view word) {
    if (word.size() <= 2) return append(word);
    if (word.size() > StemMemory::kBytesMax) return append(stem(word));
    StemMemory::Entry& entry = memory.entry_of(word);
    if (std::string_view(entry.word.data(), entry.word_bytes) != word) {
      const std::string_view stemmed = stem(word);
      if (stemmed.size() > StemMemory::kBytesMax) return append(stemmed);
      entry.word_bytes = static_cast<std::uint8_t>(word.size());
      entry.stem_bytes = static_cast<std::uint8_t>(stemmed.size());
      std::memcpy(entry.word.data(), word.data(), word.size());
      std::memcpy(entry.stem.data(), stemmed.data(), stemmed.size());
    }
    append({entry.stem.data(), entry.stem_bytes});
  }
};

EnglishAnalyzer::EnglishAnalyzer() : impl_(std::make_unique<Impl>()) {
  if (!impl_->stemmer) throw std::runtime_error("libstemmer has no 'porter' for UTF-8");
}
EnglishAnalyzer::~EnglishAnalyzer() = default;
EnglishAnalyzer::EnglishAnalyzer(EnglishAnalyzer&&) noexcept = default;
EnglishAnalyzer& EnglishAnalyzer::operator=(EnglishAnalyzer&&) noexcept = default;

std::span<const std::string_view> EnglishAnalyzer::analyse(std::string_view text) {
  Impl& impl = *impl_;
  impl.bytes.clear();
  impl.ends.clear();
  detail::WordBreaks words(text);
  while (words.next()) {
    std::string_view word = words.word();
    word.remove_suffix(possessive_bytes(word));
    impl.lower_case(word, words.ascii());
    if (!impl.lower.empty() && !impl.stop_words.contains(impl.lower)) impl.append_stem(impl.lower);
  }
  impl.terms.clear();
  std::size_t begin = 0;
  for (const std::size_t end : impl.ends) {
    impl.terms.emplace_back(impl.bytes.data() + begin, end - begin);
    begin = end;
  }
  return impl.terms;
}

}  // namespace rookery::text
