#include "serving/prompt.hpp"

#include <gtest/gtest.h>

#include "base/error.hpp"
#include "tests/serving/toy_models.hpp"

namespace rookery::serving {
namespace {

using testing::ByteTokenizer;
using testing::kMarkToken;

std::string read(const std::vector<text::TokenId>& ids) {
  std::string out;
  for (const text::TokenId id : ids) out += id == kMarkToken ? '|' : static_cast<char>(id);
  return out;
}

ChatEncoder bars() {
  return [](std::span<const text::ChatMessage> messages) {
    std::vector<text::TokenId> ids;
    for (const text::ChatMessage& message : messages) {
      ids.push_back(kMarkToken);
      for (const char c : message.content) ids.push_back(static_cast<unsigned char>(c));
    }
    ids.push_back(kMarkToken);
    return ids;
  };
}

TEST(PlainPromptTest, TheDocumentStandsRightBeforeTheQuestion) {
  const ByteTokenizer tokenizer;
  const PlainPrompt prompt(tokenizer, "Why?", {});
  retriever_pool::Document document;
  document.title = "Sky";
  document.text = "It is blue.";
  EXPECT_EQ(read(prompt.tokens(&document)), "Sky\nIt is blue.Why?");
  document.title.clear();
  EXPECT_EQ(read(prompt.tokens(&document)), "It is blue.Why?");
  EXPECT_EQ(read(prompt.tokens(nullptr)), "Why?");
}

TEST(PlainPromptTest, KeepsTheEndOfTheQuestionAndTheStartOfTheDocument) {
  const ByteTokenizer tokenizer;
  const PlainPrompt prompt(tokenizer, "a long question?", {9, 5});
  retriever_pool::Document document;
  document.text = "abcdefgh";
  EXPECT_EQ(read(prompt.tokens(&document)), "abcdequestion?");
  EXPECT_EQ(prompt.question().size(), 9U);
}

TEST(PlainPromptTest, RefusesAnEmptyQuestion) {
  const ByteTokenizer tokenizer;
  EXPECT_THROW(PlainPrompt(tokenizer, "", {}), base::UserError);
}

TEST(ChatPromptTest, TheDocumentStandsInTheLastUserMessage) {
  const ByteTokenizer tokenizer;
  const ChatPrompt prompt(
      tokenizer, bars(),
      {{"system", "Be kind."}, {"user", "Hi"}, {"assistant", "Hello"}, {"user", "Why?"}}, {});
  retriever_pool::Document document;
  document.title = "Sky";
  document.text = "Blue.";
  const std::string with = read(prompt.tokens(&document));
  EXPECT_TRUE(with.starts_with("|Be kind.|Hi|Hello|")) << with;
  EXPECT_TRUE(with.ends_with("Why?|")) << with;
  EXPECT_LT(with.find("Sky\nBlue."), with.find("Why?"));
  EXPECT_GT(with.find("Sky\nBlue."), with.find("Hello|"));
  EXPECT_EQ(read(prompt.tokens(nullptr)), "|Be kind.|Hi|Hello|Why?|");
  EXPECT_EQ(tokenizer.decode(prompt.question()), "Why?");
}

TEST(ChatPromptTest, ADocumentCutInsideACharacterStaysValidText) {
  const ByteTokenizer tokenizer;
  const ChatPrompt prompt(tokenizer, bars(), {{"user", "Why?"}}, {512, 2});
  retriever_pool::Document document;
  document.text = "a\xC3\xA9";
  EXPECT_NE(read(prompt.tokens(&document)).find("a\xEF\xBF\xBD"), std::string::npos);
}

TEST(ChatPromptTest, RefusesAConversationThatTheUserDoesNotEnd) {
  const ByteTokenizer tokenizer;
  try {
    ChatPrompt(tokenizer, bars(), {{"user", "Hi"}, {"assistant", "Hello"}}, {});
    FAIL() << "expected an error";
  } catch (const base::UserError& error) {
    EXPECT_STREQ(error.what(), "the last message must be the user's, got role 'assistant'");
  }
}

}  // namespace
}  // namespace rookery::serving
