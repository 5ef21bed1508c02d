#include "serving/utf8.hpp"

#include <gtest/gtest.h>

#include <string>

namespace rookery::serving {
namespace {

TEST(Utf8StreamTest, HoldsACharacterBackUntilItIsWhole) {
  Utf8Stream stream;
  EXPECT_EQ(stream.push("a\xE2"), "a");
  EXPECT_EQ(stream.push("\x82"), "");
  EXPECT_EQ(stream.push("\xAC!"), "\xE2\x82\xAC!");
  EXPECT_EQ(stream.finish(), "");
}

TEST(Utf8StreamTest, AnUnfinishedCharacterAtTheEndIsReplaced) {
  Utf8Stream stream;
  EXPECT_EQ(stream.push("\xF0\x9F\x98"), "");
  EXPECT_EQ(stream.finish(), "\xEF\xBF\xBD");
  EXPECT_EQ(stream.finish(), "");
}

TEST(Utf8StreamTest, BytesThatBelongToNoCharacterAreReplaced) {
  const std::string bad = "\xEF\xBF\xBD";
  EXPECT_EQ(valid_utf8("\x80"
                       "a"),
            bad + "a");
  EXPECT_EQ(valid_utf8("\xC0\xAF"), bad + bad);                      // an overlong slash
  EXPECT_EQ(valid_utf8("\xED\xA0\x80"), bad + bad + bad);            // a surrogate
  EXPECT_EQ(valid_utf8("\xF4\x90\x80\x80"), bad + bad + bad + bad);  // beyond U+10FFFF
  EXPECT_EQ(valid_utf8("\xE2\x82z"), bad + "z");
  EXPECT_EQ(valid_utf8("\xE2\xE2\x82\xAC"), bad + "\xE2\x82\xAC");
}

TEST(Utf8StreamTest, WhereThePiecesWereCutDoesNotShow) {
  const std::string text =
      "d\xC3\xA9j\xC3\xA0 \xE2\x82\xAC \xF0\x9F\x98\x80 \xFF\xC3(\xE2\x82 end\xF0\x9F";
  const std::string whole = valid_utf8(text);
  for (std::size_t first = 0; first <= text.size(); ++first) {
    for (std::size_t second = first; second <= text.size(); ++second) {
      Utf8Stream stream;
      std::string out = stream.push(text.substr(0, first));
      out += stream.push(text.substr(first, second - first));
      out += stream.push(text.substr(second));
      out += stream.finish();
      ASSERT_EQ(out, whole) << first << " " << second;
    }
  }
}

}  // namespace
}  // namespace rookery::serving
