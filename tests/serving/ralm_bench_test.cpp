#include "serving/ralm_bench.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "tests/serving/toy_models.hpp"

namespace rookery::serving {
namespace {

TEST(RalmBenchTest, ReportsRowsAndAnswersWithEqualTokens) {
  testing::ToyWorld world(testing::always_rows(6));
  Answerer answerer(world.parts(), {});
  RalmBench bench(answerer, world.generator, parse_variants({"spec", "B"}, {}));
  for (const char* text : {"why?", "how?"}) {
    Question question;
    question.text = text;
    question.max_new_tokens = 48;
    bench.serve(text, question);
  }
  const nlohmann::ordered_json report = bench.report();
  ASSERT_EQ(report["rows"].size(), 2U);
  EXPECT_EQ(report["rows"][0]["variant"], "spec");
  EXPECT_EQ(report["rows"][0]["calls"], 5.0);  // 1 + ceil(11 / 3)
  EXPECT_EQ(report["rows"][1]["calls"], 12.0);
  EXPECT_TRUE(report["rows"][0]["identical"]);
  ASSERT_EQ(report["answers"].size(), 2U);
  const auto& answer = report["answers"][1];
  EXPECT_EQ(answer["question"], "how?");
  EXPECT_TRUE(answer["tokens_equal"]);
  EXPECT_EQ(answer["calls_baseline"], 12);
  EXPECT_EQ(answer["calls_speculative"], 5);
  EXPECT_EQ(answer["hits"], 11);
  EXPECT_EQ(answer["passages"][0]["id"], 7);
  EXPECT_NE(bench.table().find("identical"), std::string::npos);
}

TEST(RalmBenchTest, NamesTheVariantsItKnows) {
  try {
    (void)parse_variants({"B", "PSA"}, {});
    FAIL() << "expected an error";
  } catch (const base::UserError& error) {
    EXPECT_STREQ(error.what(), "--variants: expected names among B, spec, P, got 'PSA'");
  }
  EXPECT_THROW((void)parse_variants({}, {}), base::UserError);
  EXPECT_EQ(parse_variants({"P"}, {})[0].speculation.prefetch, 20);
}

TEST(DelayedRetrieverTest, GivesTheSameAnswerLater) {
  testing::ToyWorld world(testing::always_rows(6));
  DelayedRetriever delayed(world.retriever, std::chrono::milliseconds(3));
  const std::vector<float> query(6, 1.0F);
  retriever_pool::RetrievalRequest request;
  request.queries = query;
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(delayed.retrieve(request).rows[0][0].id, 7);
  EXPECT_GE(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(3));
}

}  // namespace
}  // namespace rookery::serving
