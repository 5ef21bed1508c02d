#include "trainer/qa_evaluation.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/trainer/tiny_models.hpp"

namespace rookery::trainer {
namespace {

using testing::TinyPool;

class QaEvaluationTest : public ::testing::Test {
 protected:
  QaReport evaluate(const std::function<void(QaOptions&)>& change) {
    QaOptions options;
    change(options);
    options.prompt = {.passage_tokens = 16, .question_tokens = 12, .answer_tokens = 4};
    return evaluate_qa(*decoder_, *encoder_, pool_, questions_, options, {});
  }
  std::unique_ptr<engine::Decoder> decoder_ =
      engine::make_decoder(testing::tiny_generator(), {.threads = 1});
  std::unique_ptr<engine::TextEncoder> encoder_ =
      engine::make_text_encoder(testing::tiny_encoder(), {.threads = 1});
  TinyPool pool_;
  std::vector<index_tools::Question> questions_ = testing::tiny_questions(9);
};

TEST_F(QaEvaluationTest, MeasuresRetrievalAsANaiveCountDoes) {
  const QaReport report = evaluate([](QaOptions& o) { o.documents = 5; });
  std::map<int, double> expected;
  double copied = 0;
  for (std::size_t i = 0; i < questions_.size(); ++i) {
    const std::string text[] = {questions_[i].question};
    const auto row = pool_.retrieve({.queries = encoder_->encode(text), .k = 5}).rows[0];
    for (const int k : {1, 3, 5}) {
      for (int d = 0; d < k; ++d) {
        if (row[static_cast<std::size_t>(d)].source_id == questions_[i].passage_id) {
          expected[k] += 100.0 / 9;
        }
      }
    }
    if (row[0].title == questions_[i].answers[0]) copied += 100.0 / 9;
  }
  ASSERT_EQ(report.recall_by_passage_id.size(), 3u);
  for (const int k : {1, 3, 5}) {
    EXPECT_NEAR(report.recall_by_passage_id.at(k), expected[k], 1e-9) << k;
  }
  EXPECT_NEAR(report.em_copy_top1, copied, 1e-9);
  EXPECT_EQ(report.questions, 9);
  EXPECT_EQ(report.predictions.size(), 9u);
}

TEST_F(QaEvaluationTest, DoesNotDependOnHowManyQuestionsShareAPass) {
  const QaReport one = evaluate([](QaOptions& o) {
    o.documents = 3;
    o.questions_at_once = 1;
  });
  const QaReport many = evaluate([](QaOptions& o) {
    o.documents = 3;
    o.questions_at_once = 7;
  });
  for (std::size_t i = 0; i < questions_.size(); ++i) {
    EXPECT_EQ(one.predictions[i].prediction, many.predictions[i].prediction);
  }
}

TEST_F(QaEvaluationTest, ShufflesPassagesAsOnePermutationWithoutFixedPoints) {
  const auto source = shuffled_sources(40, 3);
  EXPECT_EQ(source, shuffled_sources(40, 3));
  std::vector<bool> seen(40);
  for (std::size_t i = 0; i < 40; ++i) {
    EXPECT_NE(source[i], static_cast<std::int64_t>(i));
    EXPECT_FALSE(seen[static_cast<std::size_t>(source[i])]);
    seen[static_cast<std::size_t>(source[i])] = true;
  }
  const QaReport shuffled = evaluate([](QaOptions& o) {
    o.documents = 2;
    o.shuffle_passages = true;
  });
  const QaReport straight = evaluate([](QaOptions& o) { o.documents = 2; });
  // What the retriever found is reported as it was, only the reader gets other passages.
  EXPECT_EQ(shuffled.recall_by_passage_id, straight.recall_by_passage_id);
  const auto places = shuffled_sources(9, 1);
  for (std::size_t i = 0; i < 9; ++i) {
    EXPECT_EQ(shuffled.predictions[i].top_title,
              straight.predictions[static_cast<std::size_t>(places[i])].top_title);
  }
}

TEST_F(QaEvaluationTest, WritesAReportThatParses) {
  const auto json =
      nlohmann::json::parse(evaluate([](QaOptions& o) { o.documents = 5; }).to_json());
  for (const char* key : {"em", "f1", "em_copy_top1", "questions", "seconds"}) {
    EXPECT_TRUE(json.contains(key)) << key;
  }
  EXPECT_TRUE(json["recall_by_passage_id"].contains("5"));
  EXPECT_EQ(json["predictions"].size(), 9u);
}

}  // namespace
}  // namespace rookery::trainer
