#include "text/detail/word_breaks.hpp"

#include <unicode/uchar.h>
#include <unicode/uscript.h>
#include <unicode/utf8.h>

#include <algorithm>
#include <array>
#include <cstdint>

namespace rookery::text::detail {
namespace {

constexpr std::int32_t kWordUnitsMax = 255;  // UTF-16 units, Lucene's maxTokenLength

/// Word_Break of UAX #29, and the three kinds of words that StandardTokenizer adds.
enum class Break : std::uint8_t {
  kOther,
  kLetter,
  kHebrew,
  kNumeric,
  kKatakana,
  kExtendNumLet,
  kMidLetter,
  kMidNum,
  kMidNumLet,
  kSingleQuote,
  kDoubleQuote,
  kExtend,  // Extend, Format and ZWJ: they belong to what stands before them (WB4)
  kSingle,  // an ideograph or a hiragana: a word by itself
  kComplex  // scripts without spaces whose words need a dictionary: a run is one word
};

Break break_of(UChar32 c) {
  if (c < 0) return Break::kOther;  // no UTF-8
  switch (u_getIntPropertyValue(c, UCHAR_WORD_BREAK)) {
    case U_WB_ALETTER:
      return Break::kLetter;
    case U_WB_HEBREW_LETTER:
      return Break::kHebrew;
    case U_WB_NUMERIC:
      return Break::kNumeric;
    case U_WB_KATAKANA:
      return Break::kKatakana;
    case U_WB_EXTENDNUMLET:
      return Break::kExtendNumLet;
    case U_WB_MIDLETTER:
      return Break::kMidLetter;
    case U_WB_MIDNUM:
      return Break::kMidNum;
    case U_WB_MIDNUMLET:
      return Break::kMidNumLet;
    case U_WB_SINGLE_QUOTE:
      return Break::kSingleQuote;
    case U_WB_DOUBLE_QUOTE:
      return Break::kDoubleQuote;
    case U_WB_EXTEND:
    case U_WB_FORMAT:
    case U_WB_ZWJ:
      return Break::kExtend;
    default:
      break;
  }
  UErrorCode status = U_ZERO_ERROR;
  const UScriptCode script = uscript_getScript(c, &status);
  if (script == USCRIPT_HAN || script == USCRIPT_HIRAGANA) return Break::kSingle;
  if (u_getIntPropertyValue(c, UCHAR_LINE_BREAK) == U_LB_COMPLEX_CONTEXT) return Break::kComplex;
  return Break::kOther;
}

const std::array<Break, 128>& ascii_breaks() {
  static const std::array<Break, 128> table = [] {
    std::array<Break, 128> breaks{};
    for (int c = 0; c < 128; ++c) breaks[static_cast<std::size_t>(c)] = break_of(c);
    return breaks;
  }();
  return table;
}

/// What the short way does at an ASCII character: goes on, looks one further, or ends the word.
enum class Step : std::uint8_t { kEnd, kLetter, kDigit, kMidLetter, kMidNumLet, kMidNum, kLong };

constexpr std::array<Step, 256> ascii_steps() {
  std::array<Step, 256> steps{};
  for (std::size_t c = 128; c < 256; ++c) steps[c] = Step::kLong;
  for (char c = 'a'; c <= 'z'; ++c) steps[static_cast<std::size_t>(c)] = Step::kLetter;
  for (char c = 'A'; c <= 'Z'; ++c) steps[static_cast<std::size_t>(c)] = Step::kLetter;
  for (char c = '0'; c <= '9'; ++c) steps[static_cast<std::size_t>(c)] = Step::kDigit;
  steps[static_cast<std::size_t>(':')] = Step::kMidLetter;
  steps[static_cast<std::size_t>('.')] = Step::kMidNumLet;
  steps[static_cast<std::size_t>('\'')] = Step::kMidNumLet;
  steps[static_cast<std::size_t>(',')] = Step::kMidNum;
  steps[static_cast<std::size_t>(';')] = Step::kMidNum;
  steps[static_cast<std::size_t>('_')] = Step::kLong;
  return steps;
}
constexpr auto kSteps = ascii_steps();

struct Character {
  Break kind = Break::kOther;
  std::size_t end = 0;  // behind it
  std::int32_t units = 1;
};

Character character_at(std::string_view text, std::size_t at) {
  const auto byte = static_cast<unsigned char>(text[at]);
  if (byte < 128) return {ascii_breaks()[byte], at + 1, 1};
  UChar32 c;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"  // inside ICU's macro
  U8_NEXT(text.data(), at, text.size(), c);
#pragma GCC diagnostic pop
  return {break_of(c), at, c > 0xFFFF ? 2 : 1};
}

bool is_letter(Break kind) { return kind == Break::kLetter || kind == Break::kHebrew; }
bool is_word(Break kind) {
  return is_letter(kind) || kind == Break::kNumeric || kind == Break::kKatakana;
}

bool is_middle(Break kind) { return kind >= Break::kMidLetter && kind <= Break::kDoubleQuote; }

/// Whether two characters hold together without looking further (WB5, WB8-10, WB13-13b, WB7a).
bool joined(Break before, Break next) {
  if (is_letter(before) || before == Break::kNumeric) {
    if (is_letter(next) || next == Break::kNumeric) return true;
  }
  if (before == Break::kKatakana && next == Break::kKatakana) return true;
  if (next == Break::kExtendNumLet) return is_word(before) || before == Break::kExtendNumLet;
  if (before == Break::kExtendNumLet) return is_word(next);
  return before == Break::kHebrew && next == Break::kSingleQuote;
}

/// Whether `middle` holds what stands on both sides of it together (WB6-7, WB7b-7c, WB11-12).
bool bridged(Break before, Break middle, Break next) {
  const bool quote_or_dot = middle == Break::kMidNumLet || middle == Break::kSingleQuote;
  if (is_letter(before) && is_letter(next) && (middle == Break::kMidLetter || quote_or_dot)) {
    return true;
  }
  if (before == Break::kHebrew && next == Break::kHebrew && middle == Break::kDoubleQuote) {
    return true;
  }
  return before == Break::kNumeric && next == Break::kNumeric &&
         (middle == Break::kMidNum || quote_or_dot);
}

/// Walks over one segment and remembers where its first 255 units end.
class Segment {
 public:
  Segment(std::string_view text, std::size_t begin) : text_(text), at_(begin) {}
  [[nodiscard]] bool done() const { return at_ >= text_.size(); }
  [[nodiscard]] Character peek() const { return character_at(text_, at_); }
  [[nodiscard]] std::size_t at() const { return at_; }
  void take(const Character& character) {
    if (full_ || units_ + character.units > kWordUnitsMax) {
      full_ = true;
      return;
    }
    units_ += character.units;
    at_ = character.end;
  }
  [[nodiscard]] bool full() const { return full_; }
  void take_extends() {
    while (!done() && !full_) {
      const Character next = peek();
      if (next.kind != Break::kExtend) return;
      take(next);
    }
  }
  /// The character behind `middle` and what extends it.
  [[nodiscard]] Break kind_behind(const Character& middle) const {
    std::size_t at = middle.end;
    while (at < text_.size()) {
      const Character next = character_at(text_, at);
      if (next.kind != Break::kExtend) return next.kind;
      at = next.end;
    }
    return Break::kOther;
  }

 private:
  std::string_view text_;
  std::size_t at_;
  std::int32_t units_ = 0;
  bool full_ = false;
};

}  // namespace

bool WordBreaks::next() {
  while (at_ < text_.size()) {
    const auto byte = static_cast<unsigned char>(text_[at_]);
    const Step step = kSteps[byte];
    const std::size_t begin = at_;
    if (ascii_short_way_ && (step == Step::kLetter || step == Step::kDigit)) {
      if (ascii_word(begin) || any_word(begin)) return true;
    } else if (step != Step::kEnd || !ascii_short_way_) {
      if (any_word(begin)) return true;
    } else {
      ++at_;
    }
  }
  return false;
}

// The short way: letters and digits with dots, quotes and colons between them. False when the word
// may hold anything else; then `any_word` reads it from its beginning.
bool WordBreaks::ascii_word(std::size_t begin) {
  const auto step_at = [this](std::size_t at) {
    return at < text_.size() ? kSteps[static_cast<unsigned char>(text_[at])] : Step::kEnd;
  };
  std::size_t at = begin;
  Step before = step_at(at);
  for (;;) {
    Step step = step_at(++at);
    while (step == Step::kLetter || step == Step::kDigit) {
      before = step;
      step = step_at(++at);
    }
    if (step == Step::kEnd) break;
    if (step == Step::kLong) return false;
    const Step behind = step_at(at + 1);
    if (behind == Step::kLong) return false;
    const bool letters = before == Step::kLetter && behind == Step::kLetter;
    const bool digits = before == Step::kDigit && behind == Step::kDigit;
    if (!(letters && step != Step::kMidNum) && !(digits && step != Step::kMidLetter)) break;
  }
  const std::size_t length = std::min<std::size_t>(at - begin, kWordUnitsMax);
  word_ = text_.substr(begin, length);
  ascii_ = true;
  at_ = begin + length;
  return true;
}

// By the rules, one character after the other. False when the segment is no word; it is skipped.
bool WordBreaks::any_word(std::size_t begin) {
  Segment segment(text_, begin);
  const Character first = segment.peek();
  segment.take(first);
  bool word = is_word(first.kind);
  if (first.kind == Break::kSingle) {
    segment.take_extends();
    word = true;
  } else if (first.kind == Break::kComplex) {
    word = true;
    while (!segment.done() && !segment.full()) {
      const Character next = segment.peek();
      if (next.kind != Break::kComplex && next.kind != Break::kExtend) break;
      segment.take(next);
    }
  } else if (word || first.kind == Break::kExtendNumLet) {
    Break before = first.kind;
    for (;;) {
      segment.take_extends();
      if (segment.done() || segment.full()) break;
      const Character next = segment.peek();
      const bool bridge =
          is_middle(next.kind) && bridged(before, next.kind, segment.kind_behind(next));
      if (!bridge && !joined(before, next.kind)) break;
      if (bridge) {
        segment.take(next);
        segment.take_extends();
        if (segment.full()) break;
        const Character behind = segment.peek();
        segment.take(behind);
        before = behind.kind;
      } else {
        segment.take(next);
        before = next.kind;
      }
      if (segment.full()) break;
      word = word || is_word(before);
    }
  }
  at_ = segment.at();
  if (!word) return false;
  word_ = text_.substr(begin, segment.at() - begin);
  ascii_ = true;
  for (const char c : word_) ascii_ = ascii_ && static_cast<unsigned char>(c) < 128;
  return true;
}

}  // namespace rookery::text::detail
