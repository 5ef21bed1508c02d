#include "text/detail/bert_normaliser.hpp"

#include <unicode/uchar.h>
#include <unicode/unorm2.h>
#include <unicode/utf8.h>

#include <array>
#include <stdexcept>

namespace rookery::text::detail {
namespace {

enum class Ascii : unsigned char { kDrop, kSpace, kPunctuation, kWord };

constexpr std::array<Ascii, 128> ascii_classes() {
  std::array<Ascii, 128> classes{};
  for (int c = 0; c < 128; ++c) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    const bool digit = c >= '0' && c <= '9';
    auto& kind = classes[static_cast<std::size_t>(c)];
    if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
      kind = Ascii::kSpace;
    } else if (c < ' ' || c == 127) {
      kind = Ascii::kDrop;
    } else {
      kind = letter || digit ? Ascii::kWord : Ascii::kPunctuation;
    }
  }
  return classes;
}
constexpr auto kAscii = ascii_classes();

bool is_cjk(UChar32 c) {
  return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) ||
         (c >= 0x20000 && c <= 0x2A6DF) || (c >= 0x2A700 && c <= 0x2B73F) ||
         (c >= 0x2B740 && c <= 0x2B81F) || (c >= 0x2B920 && c <= 0x2CEAF) ||
         (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x2F800 && c <= 0x2FA1F);
}

/// The category as of Unicode 8, which the reference's tables hold; younger characters have none.
std::uint32_t category(UChar32 c) {
  UVersionInfo age;
  u_charAge(c, age);
  return age[0] > 8 ? 0U : U_GET_GC_MASK(c);
}

bool is_control(UChar32 c) {
  constexpr std::uint32_t kOther = U_GC_CC_MASK | U_GC_CF_MASK | U_GC_CO_MASK | U_GC_CS_MASK;
  return c == 0xFFFD || (category(c) & kOther) != 0;
}

bool is_space(std::uint32_t c) { return u_isUWhiteSpace(static_cast<UChar32>(c)) != 0; }

bool is_punctuation(std::uint32_t c) {
  if (c < 128) return kAscii[c] == Ascii::kPunctuation;
  return (category(static_cast<UChar32>(c)) & U_GC_P_MASK) != 0;
}

const UNormalizer2* decomposer() {
  static const UNormalizer2* const instance = [] {
    UErrorCode status = U_ZERO_ERROR;
    const UNormalizer2* found = unorm2_getNFDInstance(&status);
    if (U_FAILURE(status))
      throw std::runtime_error("ICU has no NFD data: " + std::string(u_errorName(status)));
    return found;
  }();
  return instance;
}

/// The character at `at`, which moves behind it; negative for bytes that are no UTF-8.
UChar32 next_character(std::string_view text, std::size_t& at) {
  UChar32 c;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"  // inside ICU's macro
  U8_NEXT(text.data(), at, text.size(), c);
#pragma GCC diagnostic pop
  return c;
}

/// The full canonical decomposition of one character.
void decompose(UChar32 c, std::u32string& out) {
  std::array<UChar, 32> units;  // the longest has 4
  UErrorCode status = U_ZERO_ERROR;
  const std::int32_t length =
      unorm2_getDecomposition(decomposer(), c, units.data(), units.size(), &status);
  if (length < 0 || U_FAILURE(status)) {
    out.push_back(static_cast<char32_t>(c));
    return;
  }
  for (std::int32_t i = 0; i < length;) {
    UChar32 part;
    U16_NEXT(units.data(), i, length, part);
    out.push_back(static_cast<char32_t>(part));
  }
}

void append_utf8(std::uint32_t character, std::string& out) {
  std::array<char, 4> bytes;
  std::int32_t length = 0;
  UBool failed = 0;
  U8_APPEND(bytes.data(), length, static_cast<std::int32_t>(bytes.size()),
            static_cast<UChar32>(character), failed);
  if (failed == 0) out.append(bytes.data(), static_cast<std::size_t>(length));
}

}  // namespace

void BertWords::read_wide() {
  pending_.clear();
  pending_at_ = 0;
  UChar32 c = next_character(text_, at_);
  if (c < 0) return;
  if (options_.clean) {
    if (is_control(c)) return;
    if (is_space(static_cast<std::uint32_t>(c))) c = ' ';
  }
  const bool spaced = options_.space_cjk && is_cjk(c);
  if (spaced) pending_.push_back(' ');
  if (options_.strip_accents) {
    const std::size_t begin = pending_.size();
    decompose(c, pending_);
    std::size_t kept = begin;
    for (std::size_t i = begin; i < pending_.size(); ++i) {
      if ((category(static_cast<UChar32>(pending_[i])) & U_GC_MN_MASK) != 0) continue;
      pending_[kept++] = pending_[i];
    }
    pending_.resize(kept);
  } else {
    pending_.push_back(static_cast<char32_t>(c));
  }
  if (options_.lower_case) {
    for (std::size_t i = 0; i < pending_.size(); ++i) {
      if (pending_[i] == 0x130) {  // the one character whose lower case is two
        pending_[i] = 'i';
        pending_.insert(i + 1, 1, char32_t{0x307});
      } else {
        pending_[i] = static_cast<char32_t>(u_tolower(static_cast<UChar32>(pending_[i])));
      }
    }
  }
  if (spaced) pending_.push_back(' ');
}

bool BertWords::take(std::uint32_t character) {
  if (is_space(character)) return !word_.empty();
  const bool sign = is_punctuation(character);
  if (!word_.empty() && (sign || alone_)) return true;
  append_utf8(character, word_);
  ++characters_;
  alone_ = sign;
  return false;
}

bool BertWords::next() {
  word_.clear();
  characters_ = 0;
  alone_ = false;
  for (;;) {
    while (pending_at_ < pending_.size()) {
      // A space that ends a word may wait too: next time it begins none.
      if (take(pending_[pending_at_])) return true;
      ++pending_at_;
    }
    if (at_ == text_.size()) return !word_.empty();
    const auto byte = static_cast<unsigned char>(text_[at_]);
    if (byte >= 128) {
      read_wide();
      continue;
    }
    switch (kAscii[byte]) {
      case Ascii::kDrop:
        if (!options_.clean && take(byte)) return true;
        ++at_;
        break;
      case Ascii::kSpace:
        ++at_;
        if (!word_.empty()) return true;
        break;
      case Ascii::kPunctuation:
        if (!word_.empty()) return true;
        ++at_;
        word_.push_back(static_cast<char>(byte));
        characters_ = 1;
        return true;
      case Ascii::kWord:
        if (alone_) return true;
        ++at_;
        word_.push_back(static_cast<char>(
            options_.lower_case && byte >= 'A' && byte <= 'Z' ? byte + ('a' - 'A') : byte));
        ++characters_;
        break;
    }
  }
}

}  // namespace rookery::text::detail
