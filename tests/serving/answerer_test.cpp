#include "serving/answerer.hpp"

#include <gtest/gtest.h>

#include "base/error.hpp"
#include "tests/serving/toy_models.hpp"

namespace rookery::serving {
namespace {

using testing::ToyWorld;

Question ask(const std::string& text, std::int32_t tokens_max = 20) {
  Question question;
  question.text = text;
  question.max_new_tokens = tokens_max;
  return question;
}

TEST(AnswererTest, StreamsPiecesThatMakeUpTheText) {
  ToyWorld world(testing::exact_rows(testing::random_documents(2, 12, 6)), 6, 2);
  Answerer answerer(world.parts(), {});
  std::string streamed;
  int pieces = 0;
  AnswerSink sink;
  sink.text = [&](std::string_view piece) {
    streamed += piece;
    ++pieces;
  };
  const Answer answer = answerer.answer(ask("why?", 50), sink);
  EXPECT_EQ(streamed, answer.text);
  EXPECT_EQ(answer.text, world.tokenizer.decode(answer.tokens));
  EXPECT_GT(pieces, 3);
  EXPECT_EQ(answer.finish, Finish::kLength);
  EXPECT_EQ(answer.prompt_tokens, 4);
  EXPECT_EQ(answer.token_hash().size(), 8U);
}

TEST(AnswererTest, ACharacterSpreadOverTwoStridesComesWhole) {
  ToyWorld world(testing::always_rows(6));
  for (const unsigned char c : std::string("abc\xE2\x82\xAC!")) world.generator.script.push_back(c);
  Answerer answerer(world.parts(), {});
  std::vector<std::string> pieces;
  AnswerSink sink;
  sink.text = [&](std::string_view piece) { pieces.emplace_back(piece); };
  const Answer answer = answerer.answer(ask("why?"), sink);
  EXPECT_EQ(answer.text, "abc\xE2\x82\xAC!");
  EXPECT_EQ(pieces.front(), "abc");
  EXPECT_EQ(answer.finish, Finish::kStop);
}

TEST(AnswererTest, NamesEveryPassageOnceInOrderOfFirstUse) {
  ToyWorld world(testing::exact_rows(testing::random_documents(2, 12, 6)), 6, 1);
  Answerer answerer(world.parts(), {});
  const Answer answer = answerer.answer(ask("why?", 60), {});
  const std::vector<Passage> passages = answer.passages();
  ASSERT_GT(passages.size(), 1U);
  EXPECT_LT(passages.size(), answer.trace.size());
  EXPECT_EQ(passages.front()->id, answer.trace.front().passage->id);
}

TEST(AnswererTest, TimesAddUp) {
  ToyWorld world(testing::exact_rows(testing::random_documents(2, 12, 6)));
  Answerer answerer(world.parts(), {});
  const AnswerTimes times = answerer.answer(ask("why?", 100), {}).times;
  const double parts = times.generation_s + times.encoding_s + times.retrieval_s + times.lookup_s;
  EXPECT_LE(parts, times.seconds);
  EXPECT_GT(parts, 0.5 * times.seconds);
}

TEST(AnswererTest, StopsWhenItIsCancelled) {
  ToyWorld world(testing::always_rows(6));
  Answerer answerer(world.parts(), {});
  std::string streamed;
  AnswerSink sink;
  sink.text = [&](std::string_view piece) { streamed += piece; };
  sink.cancelled = [&] { return streamed.size() >= 4; };
  const Answer answer = answerer.answer(ask("why?", 100), sink);
  EXPECT_EQ(answer.finish, Finish::kCancelled);
  EXPECT_EQ(answer.tokens.size(), 4U);
}

// Law 4 pins a request to one generation.
TEST(AnswererTest, ANewGenerationEndsAStreamThatHasBeenRead) {
  ToyWorld world(testing::exact_rows(testing::random_documents(2, 12, 6)));
  world.retriever.new_generation_at = 2;
  Answerer answerer(world.parts(), {});
  std::string streamed;
  AnswerSink sink;
  sink.text = [&](std::string_view piece) { streamed += piece; };
  try {
    (void)answerer.answer(ask("why?", 30), sink);
    FAIL() << "expected an error";
  } catch (const GenerationChanged& error) {
    EXPECT_STREQ(error.what(),
                 "the index changed from generation g1 to g2 while this request was served: ask "
                 "again");
  }
  EXPECT_EQ(streamed.size(), 4U);
}

TEST(AnswererTest, ANewGenerationRunsAnAnswerThatNobodyHasReadAgain) {
  ToyWorld world(testing::exact_rows(testing::random_documents(2, 12, 6)));
  Answerer answerer(world.parts(), {});
  Question question = ask("why?", 30);
  const Answer expected = answerer.answer(question, {});
  world.retriever.new_generation_at = world.retriever.calls + 2;
  question.stream = false;
  const Answer answer = answerer.answer(question, {});
  EXPECT_EQ(answer.tokens, expected.tokens);
  EXPECT_EQ(answer.trace.size(), expected.trace.size());
  EXPECT_EQ(answer.generation, "g2");
}

TEST(AnswererTest, AFailingPoolIsAnErrorNotAShorterAnswer) {
  ToyWorld world(testing::never_rows());
  world.retriever.fail_at = 3;
  Answerer answerer(world.parts(), {});
  EXPECT_THROW((void)answerer.answer(ask("why?", 100), {}), retriever_pool::RetrievalError);
}

std::string question_error(const Answerer& answerer, const Question& question) {
  try {
    answerer.check(question);
  } catch (const QuestionError& error) {
    return error.field + ": " + error.what();
  }
  return "none";
}

TEST(AnswererTest, SaysWhyAQuestionCannotBeAnswered) {
  ToyWorld world(testing::always_rows(6));
  world.generator.positions = 1000;
  AnswererOptions options;
  options.limits.prompt_tokens_max = 10;
  const Answerer answerer(world.parts(), options);
  EXPECT_EQ(question_error(answerer, ask("why?")), "none");
  EXPECT_EQ(question_error(answerer, ask("")), "prompt: the question is empty: expected some text");
  EXPECT_EQ(question_error(answerer, ask("0123456789?")),
            "prompt: expected at most 10 tokens, got 11: shorten it, or raise "
            "serve.prompt_tokens_max");
  EXPECT_EQ(question_error(answerer, ask("why?", 700)),
            "max_tokens: the generator holds 1000 tokens, of which question and document take up "
            "to 324: expected max_tokens of at most 676, got 700");
  EXPECT_EQ(question_error(answerer, ask("why?", 0)),
            "max_tokens: expected at least 1 new token, got 0");

  options.cut_prompts = true;
  const Answerer cutting(world.parts(), options);
  EXPECT_EQ(question_error(cutting, ask("0123456789?")), "none");
}

TEST(AnswererTest, RefusesAnEncoderThatDidNotMakeTheIndex) {
  ToyWorld world(testing::always_rows(6));
  testing::HashEncoder other(8);
  AnswererParts parts = world.parts();
  parts.encoder = &other;
  try {
    Answerer answerer(parts, {});
    FAIL() << "expected an error";
  } catch (const base::UserError& error) {
    EXPECT_NE(std::string(error.what()).find("the encoder 'hash' (8-d, model feed) does not fit"),
              std::string::npos)
        << error.what();
  }
}

}  // namespace
}  // namespace rookery::serving
