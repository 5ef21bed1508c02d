#include "trainer/train_options.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.hpp"

namespace rookery::trainer {
namespace {

TrainOptions read(const std::string& text) {
  return TrainOptions::from_options(base::OptionReader::from_text(text, "t.yaml"));
}

std::string complaint(const std::string& text) {
  try {
    (void)read(text);
  } catch (const base::UserError& error) {
    return error.what();
  }
  return "none";
}

TEST(TrainOptions, ReadsEveryPart) {
  const TrainOptions options = read(
      "method: rag_token\n"
      "questions: {train: a.jsonl, dev: b.jsonl}\n"
      "documents: 5\n"
      "learning_rate: 3.0e-5\n"
      "generator_layers: 10\n"
      "passage_tokens: 64\n"
      "pool: colony\n");
  EXPECT_EQ(options.method, "rag_token");
  EXPECT_EQ(options.train, "a.jsonl");
  EXPECT_EQ(options.dev, "b.jsonl");
  EXPECT_EQ(options.documents, 5);
  EXPECT_DOUBLE_EQ(options.learning_rate, 3e-5);
  EXPECT_EQ(options.generator_layers, 10);
  EXPECT_EQ(options.prompt.passage_tokens, 64);
  EXPECT_EQ(options.pool, "colony");
  EXPECT_EQ(options.batch_size, TrainOptions{}.batch_size);
}

TEST(TrainOptions, NamesFileLineAndKeyOfAMistake) {
  EXPECT_THAT(complaint("seed: 1\nmethod: rag\n"), ::testing::HasSubstr("t.yaml:2: "));
  EXPECT_THAT(complaint("method: rag\n"), ::testing::HasSubstr("rag_sequence"));
  EXPECT_THAT(complaint("precision: half\n"), ::testing::HasSubstr("bfloat16"));
  EXPECT_THAT(complaint("documents: 0\n"), ::testing::HasSubstr("[1, 64]"));
  EXPECT_THAT(complaint("learnig_rate: 1\n"), ::testing::HasSubstr("learnig_rate"));
  EXPECT_THAT(complaint("group_timeout_ms: 1000\n"),
              ::testing::HasSubstr("less than group_timeout_ms (1000)"));
}

TEST(TrainOptions, ChecksAcrossFields) {
  TrainOptions options;
  EXPECT_THAT([&] { options.validate(); },
              ::testing::ThrowsMessage<base::UserError>(
                  ::testing::HasSubstr("train.questions.train: expected a file of questions")));
  options.train = "a.jsonl";
  EXPECT_THAT([&] { options.validate(); },
              ::testing::ThrowsMessage<base::UserError>(
                  ::testing::HasSubstr("index.path: expected a snapshot")));
  options.index = "wiki";
  EXPECT_NO_THROW(options.validate());
  options.train_encoder = false;
  options.generator_layers = 0;
  EXPECT_THAT([&] { options.validate(); },
              ::testing::ThrowsMessage<base::UserError>(
                  ::testing::HasSubstr("expected something to train")));
}

}  // namespace
}  // namespace rookery::trainer
