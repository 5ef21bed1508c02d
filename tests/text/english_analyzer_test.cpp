#include "text/english_analyzer.hpp"

#include <gtest/gtest.h>
#include <unicode/brkiter.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>

#include <memory>
#include <random>
#include <string>
#include <vector>

#include "tests/support/seed.hpp"
#include "text/detail/word_breaks.hpp"

namespace rookery::text {
namespace {

using Words = std::vector<std::string>;

Words terms_of(std::string_view text) {
  EnglishAnalyzer analyzer;
  const auto terms = analyzer.analyse(text);
  return {terms.begin(), terms.end()};
}

Words words_of(std::string_view text, bool ascii_short_way = true) {
  Words words;
  detail::WordBreaks breaks(text, ascii_short_way);
  while (breaks.next()) words.emplace_back(breaks.word());
  return words;
}

std::string random_text(std::mt19937_64& random, const std::vector<std::string>& pieces) {
  std::string text;
  const std::size_t length = random() % 40;
  for (std::size_t i = 0; i < length; ++i) text += pieces[random() % pieces.size()];
  return text;
}

TEST(EnglishAnalyzerTest, DropsStopWordsAndPossessivesAndStems) {
  EXPECT_EQ(terms_of("The Runner's caresses of the PONIES were hopping, not relational."),
            (Words{"runner", "caress", "poni", "were", "hop", "relat"}));
  EXPECT_EQ(terms_of("Ada\u2019s dogs' DOG\uFF07S"), (Words{"ada", "dog", "dog"}));
}

TEST(EnglishAnalyzerTest, LeavesOutEveryStopWordOfLucene) {
  EXPECT_EQ(terms_of("a an and are as at be but by for if in into is it no not of on or such that "
                     "the their then there these they this to was will with"),
            Words{});
  EXPECT_EQ(terms_of("It's THAT's"), Words{});
}

TEST(EnglishAnalyzerTest, LeavesWordsOfOneAndTwoLettersAlone) {
  EXPECT_EQ(terms_of("us s gas 7 42nd"), (Words{"us", "s", "ga", "7", "42nd"}));
}

TEST(EnglishAnalyzerTest, LowersEveryScript) {
  EXPECT_EQ(terms_of("ÉTÉ ΣΊΣΥΦΟΣ МОСКВА Ⱥb"), (Words{"été", "σίσυφοσ", "москва", "ⱥb"}));
}

TEST(EnglishAnalyzerTest, AnswersTheSameWhenAsAgainWithItsMemoryFull) {
  EnglishAnalyzer worn;
  std::mt19937_64 random(testing::seed());
  for (int i = 0; i < 50'000; ++i) {
    std::string word;
    for (std::size_t n = random() % 12 + 1; n > 0; --n)
      word += static_cast<char>('a' + random() % 6);
    word += i % 3 == 0 ? "ing" : i % 3 == 1 ? "ational" : "s";
    const auto terms = worn.analyse(word);
    if (i % 100 != 0) continue;
    ASSERT_EQ(Words(terms.begin(), terms.end()), terms_of(word)) << word;
  }
}

TEST(WordBreaksTest, FollowsTheRulesOfUax29) {
  EXPECT_EQ(words_of("U.S.A. 3.14, 1,234.5 can't foo_bar __ a:b x-y e.g. 7:30 a.1 'q'"),
            (Words{"U.S.A", "3.14", "1,234.5", "can't", "foo_bar", "a:b", "x", "y", "e.g", "7",
                   "30", "a", "1", "q"}));
  EXPECT_EQ(words_of("3_000 a_ _b 1;2 a;b tel:\"x\""),
            (Words{"3_000", "a_", "_b", "1;2", "a", "b", "tel", "x"}));
  EXPECT_EQ(words_of("e\u0301te\u0301 naïve soft\u00ADhyphen"),
            (Words{"e\u0301te\u0301", "naïve", "soft\u00ADhyphen"}));
  EXPECT_EQ(words_of("צה\"ל א' דבר"), (Words{"צה\"ל", "א'", "דבר"}));
}

TEST(WordBreaksTest, TakesIdeographsOneByOneAndComplexScriptsByRuns) {
  EXPECT_EQ(words_of("東京は日本 カタカナ 한국어"),
            (Words{"東", "京", "は", "日", "本", "カタカナ", "한국어"}));
  EXPECT_EQ(words_of("ภาษาไทย ok"), (Words{"ภาษาไทย", "ok"}));
  EXPECT_EQ(words_of("😀 👍🏽 ½ … ."), Words{});
}

TEST(WordBreaksTest, CutsLongWordsAt255Units) {
  const std::string ascii(600, 'a');
  EXPECT_EQ(words_of(ascii),
            (Words{ascii.substr(0, 255), ascii.substr(0, 255), ascii.substr(510)}));
  std::string wide;  // two units each: 127 fit
  for (int i = 0; i < 130; ++i) wide += "\U0001D400";
  const Words words = words_of(wide);
  ASSERT_EQ(words.size(), 2U);
  EXPECT_EQ(words[0].size(), 127U * 4);
  EXPECT_EQ(words[1].size(), 3U * 4);
}

TEST(WordBreaksTest, BytesThatAreNoUtf8SeparateWords) {
  EXPECT_EQ(words_of("ab\xFF"
                     "cd \xC3"),
            (Words{"ab", "cd"}));
  EXPECT_EQ(words_of("\xE6\x9D"), Words{});
}

TEST(WordBreaksTest, TheShortWayOfAsciiGivesTheSameWords) {
  std::mt19937_64 random(testing::seed());
  std::vector<std::string> pieces;
  for (int c = 0; c < 128; ++c) pieces.emplace_back(1, static_cast<char>(c));
  for (const char* often : {"a", "B", "7", ".", "'", ",", ":", ";", "_", "\"", "é", "\u0301", "א",
                            "\u2019", "日", "カ", "\xFF", "ก"}) {
    for (int i = 0; i < 12; ++i) pieces.emplace_back(often);
  }
  pieces.emplace_back(250, 'x');
  for (int i = 0; i < 20'000; ++i) {
    const std::string text = random_text(random, pieces);
    ASSERT_EQ(words_of(text, true), words_of(text, false)) << text;
  }
}

TEST(WordBreaksTest, AgreesWithIcuWhereNoDictionaryIsNeeded) {
  std::mt19937_64 random(testing::seed());
  // No colon and no Hangul: ICU tailors both, UAX #29 and Lucene do not.
  const std::vector<std::string> pieces = {
      "a",      "Z",      "7", "0", ".",  ",", "'", ";",  "_",  " ",      "-", "é",     "\u0301",
      "\u2019", "\u00AD", "א", "ב", "\"", "я", "٣", "カ", "\n", "\uFF07", "!", "\u200B"};
  UErrorCode status = U_ZERO_ERROR;
  const std::unique_ptr<icu::BreakIterator> icu(
      icu::BreakIterator::createWordInstance(icu::Locale::getRoot(), status));
  ASSERT_TRUE(U_SUCCESS(status));
  for (int i = 0; i < 20'000; ++i) {
    const std::string text = random_text(random, pieces);
    const icu::UnicodeString wide = icu::UnicodeString::fromUTF8(text);
    icu->setText(wide);
    Words expected;
    for (std::int32_t begin = icu->first(), end = icu->next(); end != icu::BreakIterator::DONE;
         begin = end, end = icu->next()) {
      const icu::UnicodeString segment = wide.tempSubStringBetween(begin, end);
      bool word = false;  // not by the rule's status, which counts `__` and leaves out `カ_`
      for (std::int32_t c = 0; c < segment.length(); ++c) word = word || u_isalnum(segment[c]) != 0;
      if (word) segment.toUTF8String(expected.emplace_back());
    }
    ASSERT_EQ(words_of(text), expected) << text;
  }
}

}  // namespace
}  // namespace rookery::text
