#include "index_tools/split.hpp"

#include <gtest/gtest.h>

#include <stdexcept>

namespace rookery::index_tools {
namespace {

using Pieces = std::vector<std::string_view>;

TEST(SplitWords, CutsBehindTheLastWordThatFits) {
  EXPECT_EQ(split_words("one two three four five", 2), (Pieces{"one two", "three four", "five"}));
  EXPECT_EQ(split_words("one two", 2), Pieces{"one two"});
}

TEST(SplitWords, KeepsTheBytesInsideAPieceAndDropsSpaceAroundIt) {
  EXPECT_EQ(split_words("  a\t\tb \n c  d ", 2), (Pieces{"a\t\tb", "c  d"}));
}

TEST(SplitWords, TakesUnicodeSpacesAsBorders) {
  EXPECT_EQ(split_words("5\u00a0km\u3000far", 1), (Pieces{"5", "km", "far"}));
  // A zero-width space is no white space in Unicode.
  EXPECT_EQ(split_words("a\u200bb", 1), Pieces{"a\u200bb"});
}

TEST(SplitWords, ZeroKeepsTheTextAsItCame) {
  EXPECT_EQ(split_words(" a  b ", 0), Pieces{" a  b "});
}

TEST(SplitWords, GivesNothingForTextWithoutWords) {
  EXPECT_TRUE(split_words("", 3).empty());
  EXPECT_TRUE(split_words(" \t\u00a0", 3).empty());
  EXPECT_TRUE(split_words(" \t\u00a0", 0).empty());
}

TEST(SplitWords, PiecesHoldEveryWordOnceForAnyLimit) {
  const std::string_view text = "Ein Rabe saß auf einem Baum und sprach zu sich selbst kein Wort";
  for (int limit = 1; limit < 16; ++limit) {
    std::int64_t words = 0;
    for (const std::string_view piece : split_words(text, limit)) {
      EXPECT_LE(count_words(piece), limit);
      words += count_words(piece);
    }
    EXPECT_EQ(words, 13) << limit;
  }
}

TEST(SplitWords, RefusesANegativeLimit) {
  EXPECT_THROW(split_words("a", -1), std::invalid_argument);
}

}  // namespace
}  // namespace rookery::index_tools
