#include "text/answers.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace rookery::text {
namespace {

using Answers = std::vector<std::string>;

TEST(NormaliseAnswer, DropsCasePunctuationArticlesAndSpareSpaces) {
  EXPECT_EQ(normalise_answer("  The  Quick,\tBrown\nFox! "), "quick brown fox");
  EXPECT_EQ(normalise_answer("A theory of an anthill"), "theory of anthill");
  EXPECT_EQ(normalise_answer("the"), "");
  EXPECT_EQ(normalise_answer(""), "");
}

TEST(NormaliseAnswer, JoinsWordsAcrossRemovedPunctuationBeforeLookingForArticles) {
  // Punctuation goes first: "U.S.A." becomes one word, and "an-tenna" loses no "an".
  EXPECT_EQ(normalise_answer("U.S.A."), "usa");
  EXPECT_EQ(normalise_answer("an-tenna"), "antenna");
  EXPECT_EQ(normalise_answer("the-"), "");
}

TEST(NormaliseAnswer, KeepsPunctuationThatIsNotAscii) {
  EXPECT_EQ(normalise_answer("1944–2022"), "1944–2022");
  // A dash is a word border, so the article beside it goes.
  EXPECT_EQ(normalise_answer("the–end"), "–end");
}

TEST(NormaliseAnswer, LowersLettersBeyondAscii) {
  EXPECT_EQ(normalise_answer("ÉCOLE Normale"), "école normale");
}

TEST(ExactMatch, TakesTheBestAnswer) {
  EXPECT_EQ(exact_match("the Beatles", Answers{"Queen", "Beatles!"}), 1.0);
  EXPECT_EQ(exact_match("Beatles band", Answers{"Queen", "Beatles!"}), 0.0);
  EXPECT_EQ(exact_match("x", Answers{}), 0.0);
}

TEST(F1Score, CountsRepeatedWordsAsOftenAsBothHaveThem) {
  // Common words: new, york (once of the two): precision 2/3, recall 2/3.
  EXPECT_DOUBLE_EQ(f1_score("new york york", Answers{"new york city"}), 2.0 / 3.0);
  // Precision 1/1, recall 1/3.
  EXPECT_DOUBLE_EQ(f1_score("york", Answers{"new york city"}), 0.5);
  EXPECT_EQ(f1_score("paris", Answers{"new york city"}), 0.0);
  EXPECT_DOUBLE_EQ(f1_score("york", Answers{"new york city", "York"}), 1.0);
}

TEST(F1Score, IsZeroWhenNothingIsLeftOfAText) {
  EXPECT_EQ(f1_score("the", Answers{"a"}), 0.0);
  EXPECT_EQ(f1_score("", Answers{"york"}), 0.0);
}

TEST(ContainsAnswer, WantsWholeTokensInARow) {
  EXPECT_TRUE(contains_answer("He was born in New York, in 1970.", Answers{"new york"}));
  EXPECT_FALSE(contains_answer("He was born in Newark.", Answers{"new"}));
  EXPECT_FALSE(contains_answer("New old York", Answers{"new york"}));
  EXPECT_TRUE(contains_answer("founded 1970", Answers{"1980", "1970"}));
}

TEST(ContainsAnswer, TreatsPunctuationAsTokens) {
  EXPECT_TRUE(contains_answer("about 3.5 km", Answers{"3.5"}));
  EXPECT_FALSE(contains_answer("about 3,5 km", Answers{"3.5"}));
  EXPECT_TRUE(contains_answer("the U.S. Senate", Answers{"u. s."}));
}

TEST(ContainsAnswer, ComparesComposedAndDecomposedLettersAsEqual) {
  EXPECT_TRUE(contains_answer("Caf\u00e9 M\u00fcller", Answers{"cafe\u0301 mu\u0308ller"}));
  EXPECT_FALSE(contains_answer("Cafe Müller", Answers{"café"}));
}

TEST(ContainsAnswer, NeverFindsAnEmptyAnswer) {
  EXPECT_FALSE(contains_answer("anything", Answers{"", " \t"}));
}

}  // namespace
}  // namespace rookery::text
