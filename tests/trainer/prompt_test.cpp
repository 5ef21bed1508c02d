#include "trainer/prompt.hpp"

#include <gtest/gtest.h>

#include "tests/trainer/tiny_models.hpp"
#include "text/byte_bpe.hpp"

namespace rookery::trainer {
namespace {

constexpr text::TokenId kEnd = 256;

class PromptFormatTest : public ::testing::Test {
 protected:
  PromptFormat format(PromptOptions options) { return {tokenizer_, kEnd, options}; }
  std::string text(const std::vector<text::TokenId>& tokens) { return tokenizer_.decode(tokens); }

  text::ByteBpeTokenizer tokenizer_{text::ByteBpeModel::from_tokenizer_json(
      testing::tiny_generator().files.at("tokenizer.json"), "tokenizer.json")};
};

TEST_F(PromptFormatTest, PutsTheTitleTheTextAndTheQuestionTogether) {
  EXPECT_EQ(text(format({}).prompt("Rook", "A bird.", "what flies?")),
            "Title: Rook\nA bird.\nQuestion: what flies?\nAnswer:");
  EXPECT_EQ(text(format({}).prompt("", "A bird.", "what flies?")),
            "A bird.\nQuestion: what flies?\nAnswer:");
}

TEST_F(PromptFormatTest, NeverCutsTheQuestionForALongPassage) {
  const auto prompt =
      text(format({.passage_tokens = 8}).prompt("T", std::string(500, 'x'), "why?"));
  EXPECT_EQ(prompt, "Title: T\nxxxxxxxx\nQuestion: why?\nAnswer:");
}

TEST_F(PromptFormatTest, LearnsTheAnswerAndItsEnd) {
  const auto tokens = format({.answer_tokens = 5}).answer("Rookery");
  EXPECT_EQ(text(tokens), " Rook");
  EXPECT_EQ(tokens.back(), kEnd);
  EXPECT_EQ(tokens.size(), 6u);
}

TEST_F(PromptFormatTest, KnowsWhereAnAnswerEnds) {
  const auto f = format({});
  EXPECT_TRUE(f.ends(kEnd));
  EXPECT_TRUE(f.ends('\n'));
  EXPECT_FALSE(f.ends('x'));
  EXPECT_EQ(f.answer_text({' ', 'R', 'o', 'o', 'k', ' ', '\n', 'N', kEnd}), "Rook");
  EXPECT_EQ(f.answer_text({'\n', 'R', kEnd}), "R");
  EXPECT_EQ(f.answer_text({kEnd}), "");
}

TEST_F(PromptFormatTest, KeepsControlTokensOutOfPassagesAndQuestions) {
  for (const auto token : format({}).prompt("<end>", "a <end> b", "<end>?")) {
    EXPECT_NE(token, kEnd);
  }
}

}  // namespace
}  // namespace rookery::trainer
