#include "serving/completion_request.hpp"

#include <gtest/gtest.h>

#include "serving/api_error.hpp"

namespace rookery::serving {
namespace {

const CompletionDefaults kDefaults = {"tiny", 64, 4096};

CompletionRequest chat(const std::string& body) {
  return parse_completion(CompletionKind::kChat, body, kDefaults);
}

/// "status param: message" of the refusal.
std::string refusal(CompletionKind kind, const std::string& body) {
  try {
    (void)parse_completion(kind, body, kDefaults);
  } catch (const ApiError& error) {
    return std::to_string(error.status) + " " + error.param + " | " + error.what();
  }
  return "none";
}
std::string text_refusal(const std::string& fields) {
  return refusal(CompletionKind::kText, R"({"model": "tiny", "prompt": "Hi")" + fields + "}");
}
std::string chat_refusal(const std::string& messages) {
  return refusal(CompletionKind::kChat, R"({"model": "tiny", "messages": )" + messages + "}");
}

TEST(CompletionRequestTest, ReadsATextRequest) {
  const CompletionRequest request = parse_completion(
      CompletionKind::kText,
      R"({"model": "tiny", "prompt": ["Hi"], "max_tokens": 7, "temperature": 0.0, "n": 1,
          "stream": true, "stream_options": {"include_usage": true}, "seed": 4, "top_p": 0.9,
          "stop": null, "echo": false})",
      kDefaults);
  EXPECT_EQ(request.question.text, "Hi");
  EXPECT_EQ(request.question.max_new_tokens, 7);
  EXPECT_TRUE(request.stream);
  EXPECT_TRUE(request.stream_usage);
}

TEST(CompletionRequestTest, ReadsAConversationWithTextParts) {
  const CompletionRequest request = chat(
      R"({"model": "tiny", "max_completion_tokens": 9, "messages": [
          {"role": "system", "content": "Be kind."},
          {"role": "user", "content": [{"type": "text", "text": "Why "},
                                       {"type": "text", "text": "so?"}]}]})");
  ASSERT_EQ(request.question.messages.size(), 2U);
  EXPECT_EQ(request.question.messages[1].content, "Why so?");
  EXPECT_EQ(request.question.max_new_tokens, 9);
  EXPECT_FALSE(request.stream);
}

TEST(CompletionRequestTest, MistakesAreRefusedWithTheFieldsName) {
  EXPECT_EQ(refusal(CompletionKind::kText, "{"), "400  | the body is not valid JSON");
  EXPECT_EQ(refusal(CompletionKind::kText, ""), "400  | the body is not valid JSON");
  EXPECT_EQ(refusal(CompletionKind::kText, "[1]"),
            "400  | the body: expected a JSON object, got [1]");
  EXPECT_EQ(refusal(CompletionKind::kText, "{}"), "400 model | model: expected 'tiny', got none");
  EXPECT_EQ(refusal(CompletionKind::kText, R"({"model": "gpt", "prompt": "Hi"})"),
            "404 model | model: expected 'tiny', which is served here, got \"gpt\"");
  EXPECT_EQ(refusal(CompletionKind::kText, R"({"model": "tiny"})"),
            "400 prompt | prompt: expected some text, got none");
  EXPECT_EQ(refusal(CompletionKind::kText, R"({"model": "tiny", "prompt": ["a", "b"]})"),
            "400 prompt | prompt: expected one text, got [\"a\",\"b\"]");
  EXPECT_EQ(refusal(CompletionKind::kText, R"({"model": "tiny", "prompt": 7})"),
            "400 prompt | prompt: expected one text, got 7");
  EXPECT_EQ(text_refusal(R"(, "max_tokens": 0)"),
            "400 max_tokens | max_tokens: expected an integer in [1, 4096], got 0");
  EXPECT_EQ(text_refusal(R"(, "max_tokens": 18446744073709551615)"),
            "400 max_tokens | max_tokens: expected an integer in [1, 4096], got "
            "18446744073709551615");
  EXPECT_EQ(text_refusal(R"(, "max_tokens": "ten")"),
            "400 max_tokens | max_tokens: expected an integer in [1, 4096], got \"ten\"");
  EXPECT_EQ(text_refusal(R"(, "temperature": 0.7)"),
            "400 temperature | temperature: only greedy decoding is offered: send 0 or leave it "
            "out, got 0.7");
  EXPECT_EQ(text_refusal(R"(, "temperature": "warm")"),
            "400 temperature | temperature: expected a number, got \"warm\"");
  EXPECT_EQ(text_refusal(R"(, "n": 2)"),
            "400 n | n: only one answer a request is offered: send 1 or leave it out, got 2");
  EXPECT_EQ(text_refusal(R"(, "stream": "yes")"),
            "400 stream | stream: expected true or false, got \"yes\"");
  EXPECT_EQ(text_refusal(R"(, "stop": ["x"])"), "400 stop | stop: this server does not support it");
  EXPECT_EQ(text_refusal(R"(, "tempratur": 1)"),
            "400 tempratur | tempratur: this server does not support it");
}

TEST(CompletionRequestTest, BadMessagesAreRefused) {
  EXPECT_EQ(refusal(CompletionKind::kChat, R"({"model": "tiny"})"),
            "400 messages | messages: expected a list, got none");
  EXPECT_EQ(chat_refusal("[]"),
            "400 messages | messages: expected a list of at least one message, got []");
  EXPECT_EQ(chat_refusal(R"([{"role": "tool", "content": "x"}])"),
            "400 messages[0].role | messages[0].role: expected system, user or assistant, got "
            "\"tool\"");
  EXPECT_EQ(chat_refusal(R"([{"role": "user"}])"),
            "400 messages[0] | messages[0].content is missing");
  EXPECT_EQ(chat_refusal(R"([{"role": "user", "content": [{"type": "image_url"}]}])"),
            "400 messages[0].content | messages[0].content: expected text parts only, got "
            "{\"type\":\"image_url\"}");
  EXPECT_EQ(chat_refusal(R"([{"role": "assistant", "content": "x"}])"),
            "400 messages | messages: the last one must be the user's, got role 'assistant'");
}

}  // namespace
}  // namespace rookery::serving
