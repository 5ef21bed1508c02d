// One suite for every implementation of `Retriever`: the embedded pool and the client of servers
// over TCP.
#include <gtest/gtest.h>

#include <bit>
#include <limits>
#include <thread>

#include "retriever_pool/embedded_pool.hpp"
#include "test_colony.hpp"

namespace rookery::retriever_pool {
namespace {

using testing::Corpus;
using testing::TestColony;

struct Setting {
  bool embedded;
  std::int32_t shards, replicas;
  std::string metric;
};

class RetrieverContractTest : public ::testing::TestWithParam<Setting> {
 protected:
  RetrieverContractTest() {
    const Setting& setting = GetParam();
    if (setting.embedded) {
      retriever =
          make_embedded_pool(corpus.split(setting.shards),
                             testing::describe(corpus, setting.shards, "7f3a", setting.metric), 2);
    } else {
      colony =
          std::make_unique<TestColony>(corpus, setting.shards, setting.replicas, setting.metric);
      retriever = colony->client();
    }
  }
  [[nodiscard]] Metric metric() const { return parse_metric(GetParam().metric); }
  void expect_invalid(const RetrievalRequest& request, const std::string& text) {
    try {
      (void)retriever->retrieve(request);
      ADD_FAILURE() << "expected: " << text;
    } catch (const RetrievalError& error) {
      EXPECT_EQ(error.fault(), RetrievalFault::kInvalid);
      EXPECT_EQ(error.what(), text);
    }
  }

  Corpus corpus{21, 1200, 24};
  std::unique_ptr<TestColony> colony;
  std::unique_ptr<Retriever> retriever;
};

TEST_P(RetrieverContractTest, AnswersEqualTheUnshardedOraclesBits) {
  std::mt19937_64 random(22);
  const auto queries = testing::random_vectors(random, 9, 24);
  for (const std::int32_t k : {1, 5, 40, 1024}) {
    for (const std::size_t batch : {1U, 9U}) {
      RetrievalRequest request;
      request.queries = std::span(queries).first(batch * 24);
      request.k = k;
      request.deadline = std::chrono::seconds(20);
      const RetrievalAnswer answer = retriever->retrieve(request);
      ASSERT_EQ(answer.rows.size(), batch);
      for (std::size_t q = 0; q < batch; ++q) {
        const auto expected = corpus.oracle(std::span(queries).subspan(q * 24, 24), k, metric());
        const auto got = testing::hits_of(answer.rows[q]);
        ASSERT_EQ(got.size(), expected.size());
        for (std::size_t i = 0; i < got.size(); ++i) {
          ASSERT_EQ(got[i].id, expected[i].id);
          ASSERT_EQ(std::bit_cast<std::uint32_t>(got[i].score),
                    std::bit_cast<std::uint32_t>(expected[i].score));
        }
      }
      EXPECT_EQ(answer.generation, "7f3a");
      EXPECT_EQ(answer.shards_wanted, GetParam().shards);
      EXPECT_EQ(answer.shards_answered, answer.shards_wanted);
      EXPECT_GE(answer.attempts, GetParam().shards);
      EXPECT_GE(answer.total_time, answer.search_time);
    }
  }
}

TEST_P(RetrieverContractTest, BringsPassagesAndVectorsWhenAsked) {
  RetrievalRequest request;
  const std::vector<float> query(24, 0.25F);
  request.queries = query;
  request.want_vectors = true;
  const auto full = retriever->retrieve(request);
  ASSERT_EQ(full.rows.front().size(), 5U);
  for (const Document& document : full.rows.front()) {
    const std::string id = std::to_string(document.id);
    EXPECT_EQ(document.text, "The text of passage " + id + ", été\n");
    EXPECT_EQ(document.source_id, "source-" + std::to_string(document.id / 2));
    EXPECT_EQ(document.title, document.id % 3 == 0 ? "" : "Title " + id);
    ASSERT_EQ(document.vector.size(), 24U);
    EXPECT_EQ(exact_score(metric(), query, document.vector), document.score);
  }
  request.want_vectors = false;
  request.want_passages = false;
  const auto bare = retriever->retrieve(request);
  for (const Document& document : bare.rows.front()) {
    EXPECT_TRUE(document.text.empty() && document.source_id.empty() && document.vector.empty());
  }
}

TEST_P(RetrieverContractTest, DescribesTheIndex) {
  const IndexDescription index = retriever->description();
  EXPECT_EQ(index.dimension, 24);
  EXPECT_EQ(index.shards, GetParam().shards);
  EXPECT_EQ(index.passages, 1200);
  EXPECT_EQ(index.metric, GetParam().metric);
}

TEST_P(RetrieverContractTest, RefusesWhatIsNoQuery) {
  std::vector<float> queries(48, 1.0F);
  RetrievalRequest request;
  request.queries = queries;
  for (const std::int32_t k : {0, -1, 1025, 10000}) {
    request.k = k;
    expect_invalid(request,
                   "k: expected a number of documents in [1, 1024], got " + std::to_string(k));
  }
  request.k = 5;
  request.queries = {};
  expect_invalid(request, "queries: expected at least one query, got an empty batch");
  request.queries = std::span(queries).first(47);
  expect_invalid(request, "queries: expected [batch, 24], got 47 floats");
  request.queries = queries;
  for (const float bad :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(), 3e38F}) {
    queries[30] = bad;
    expect_invalid(
        request, "query 1 holds NaN or infinity, or is longer than 1e18: expected finite numbers");
  }
  const std::vector<float> many(1025 * 24, 1.0F);
  request.queries = many;
  expect_invalid(request, "queries: expected at most 1024 in a batch, got 1025; split the batch");
}

TEST_P(RetrieverContractTest, ADeadlineThatHasPassedIsAnError) {
  const std::vector<float> queries(1024 * 24, 1.0F);
  RetrievalRequest request;
  request.queries = queries;
  request.deadline = std::chrono::milliseconds(0);
  try {
    (void)retriever->retrieve(request);
    FAIL() << "an answer came after its deadline";
  } catch (const RetrievalError& error) {
    EXPECT_NE(error.fault(), RetrievalFault::kInvalid);
    EXPECT_NE(error.fault(), RetrievalFault::kInternal);
  }
}

TEST_P(RetrieverContractTest, ManyThreadsAskAtOnceWithDifferentKs) {
  std::vector<std::thread> threads;
  std::atomic<int> wrong = 0;
  for (int t = 0; t < 6; ++t) {
    threads.emplace_back([&, t] {
      std::mt19937_64 random(static_cast<std::uint64_t>(t));
      for (int i = 0; i < 30; ++i) {
        const auto query = testing::random_vectors(random, 1, 24);
        RetrievalRequest request;
        request.queries = query;
        request.k = 1 + static_cast<std::int32_t>(random() % 20);
        request.deadline = std::chrono::seconds(20);
        const auto answer = retriever->retrieve(request);
        wrong += testing::hits_of(answer.rows.front()) != corpus.oracle(query, request.k, metric());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

INSTANTIATE_TEST_SUITE_P(Pools, RetrieverContractTest,
                         ::testing::Values(Setting{true, 1, 1, "inner_product"},
                                           Setting{true, 3, 1, "l2"}, Setting{false, 1, 1, "l2"},
                                           Setting{false, 2, 2, "inner_product"},
                                           Setting{false, 5, 1, "inner_product"}),
                         [](const auto& test) {
                           return std::string(test.param.embedded ? "Embedded" : "Tcp") +
                                  std::to_string(test.param.shards) + "x" +
                                  std::to_string(test.param.replicas) +
                                  (test.param.metric == "l2" ? "L2" : "InnerProduct");
                         });

}  // namespace
}  // namespace rookery::retriever_pool
