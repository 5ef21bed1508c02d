#include "text/answers.hpp"

#include <unicode/locid.h>
#include <unicode/normalizer2.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>

#include <algorithm>
#include <stdexcept>
#include <unordered_map>
#include <vector>

namespace rookery::text {
namespace {

using Words = std::vector<std::string>;

/// Words between white space, as Python's `str.split` sees it.
Words words_of(const icu::UnicodeString& text) {
  Words words;
  icu::UnicodeString word;
  const auto finish = [&] {
    if (!word.isEmpty()) word.toUTF8String(words.emplace_back());
    word.remove();
  };
  for (std::int32_t at = 0; at < text.length(); at = text.moveIndex32(at, 1)) {
    const UChar32 c = text.char32At(at);
    if (u_isUWhiteSpace(c) || (c >= 0x1C && c <= 0x1F)) {
      finish();
    } else {
      word.append(c);
    }
  }
  finish();
  return words;
}

bool is_ascii_punctuation(UChar32 c) {
  return (c >= 0x21 && c <= 0x2F) || (c >= 0x3A && c <= 0x40) || (c >= 0x5B && c <= 0x60) ||
         (c >= 0x7B && c <= 0x7E);
}

/// What a regular expression's `\w` takes, once ASCII punctuation is gone.
bool is_word_character(UChar32 c) {
  const std::uint32_t category = U_GET_GC_MASK(c);
  return (category & (U_GC_L_MASK | U_GC_N_MASK)) != 0 || c == '_';
}

/// Replaces the articles a, an, the between word borders by a space.
icu::UnicodeString without_articles(const icu::UnicodeString& text) {
  icu::UnicodeString result, word;
  const auto finish = [&] {
    const bool article = word == icu::UnicodeString("a") || word == icu::UnicodeString("an") ||
                         word == icu::UnicodeString("the");
    result.append(article ? icu::UnicodeString(" ") : word);
    word.remove();
  };
  for (std::int32_t at = 0; at < text.length(); at = text.moveIndex32(at, 1)) {
    const UChar32 c = text.char32At(at);
    if (is_word_character(c)) {
      word.append(c);
    } else {
      finish();
      result.append(c);
    }
  }
  finish();
  return result;
}

Words normalised_words(std::string_view text) {
  icu::UnicodeString lower = icu::UnicodeString::fromUTF8(
      icu::StringPiece(text.data(), static_cast<std::int32_t>(text.size())));
  lower.toLower(icu::Locale::getRoot());
  icu::UnicodeString plain;
  for (std::int32_t at = 0; at < lower.length(); at = lower.moveIndex32(at, 1)) {
    const UChar32 c = lower.char32At(at);
    if (!is_ascii_punctuation(c)) plain.append(c);
  }
  return words_of(without_articles(plain));
}

double f1_of(const Words& prediction, const Words& answer) {
  std::unordered_map<std::string, int> counts;
  for (const std::string& word : answer) ++counts[word];
  double common = 0;
  for (const std::string& word : prediction) {
    if (counts[word]-- > 0) ++common;
  }
  if (common == 0) return 0;
  const double precision = common / static_cast<double>(prediction.size());
  const double recall = common / static_cast<double>(answer.size());
  return 2 * precision * recall / (precision + recall);
}

/// DPR's simple tokenizer: runs of letters, numbers and marks, and single other characters that are
/// neither separators nor controls; canonically decomposed, lower case.
Words simple_tokens(std::string_view text) {
  UErrorCode status = U_ZERO_ERROR;
  const icu::Normalizer2* nfd = icu::Normalizer2::getNFDInstance(status);
  const icu::UnicodeString source = icu::UnicodeString::fromUTF8(
      icu::StringPiece(text.data(), static_cast<std::int32_t>(text.size())));
  const icu::UnicodeString decomposed = nfd == nullptr ? source : nfd->normalize(source, status);
  if (U_FAILURE(status)) throw std::runtime_error("ICU cannot normalise a text");
  Words tokens;
  icu::UnicodeString token;
  const auto finish = [&] {
    if (!token.isEmpty()) token.toLower(icu::Locale::getRoot()).toUTF8String(tokens.emplace_back());
    token.remove();
  };
  for (std::int32_t at = 0; at < decomposed.length(); at = decomposed.moveIndex32(at, 1)) {
    const UChar32 c = decomposed.char32At(at);
    const std::uint32_t category = U_GET_GC_MASK(c);
    if ((category & (U_GC_L_MASK | U_GC_N_MASK | U_GC_M_MASK)) != 0) {
      token.append(c);
      continue;
    }
    finish();
    if ((category & (U_GC_Z_MASK | U_GC_C_MASK)) == 0) {
      token.append(c);
      finish();
    }
  }
  finish();
  return tokens;
}

}  // namespace

std::string normalise_answer(std::string_view text) {
  std::string joined;
  for (const std::string& word : normalised_words(text)) {
    if (!joined.empty()) joined += ' ';
    joined += word;
  }
  return joined;
}

double exact_match(std::string_view prediction, std::span<const std::string> answers) {
  const std::string normalised = normalise_answer(prediction);
  return std::any_of(
             answers.begin(), answers.end(),
             [&](const std::string& answer) { return normalise_answer(answer) == normalised; })
             ? 1.0
             : 0.0;
}

double f1_score(std::string_view prediction, std::span<const std::string> answers) {
  const Words words = normalised_words(prediction);
  double best = 0;
  for (const std::string& answer : answers) {
    best = std::max(best, f1_of(words, normalised_words(answer)));
  }
  return best;
}

bool contains_answer(std::string_view passage, std::span<const std::string> answers) {
  const Words tokens = simple_tokens(passage);
  return std::any_of(answers.begin(), answers.end(), [&](const std::string& answer) {
    const Words wanted = simple_tokens(answer);
    return !wanted.empty() &&
           std::search(tokens.begin(), tokens.end(), wanted.begin(), wanted.end()) != tokens.end();
  });
}

}  // namespace rookery::text
