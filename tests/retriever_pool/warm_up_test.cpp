#include "retriever_pool/warm_up.hpp"

#include <gtest/gtest.h>

#include "swapping_colony.hpp"
#include "tests/support/eventually.hpp"
#include "tests/support/seed.hpp"

namespace rookery::retriever_pool::testing {
namespace {

constexpr std::int32_t kDimension = 8, kRows = 90, kShards = 2;

class WarmUpTest : public ::testing::Test {
 protected:
  WarmUpTest() {
    colony.add("aaaa", old, kShards, 1, GenerationRole::kLive);
    colony.publish();
  }
  const GenerationView& of(const std::string& generation) {
    return *colony.view().find("main", generation);
  }
  /// Asks the live generation one query after another, as a client does.
  void ask(std::size_t count) {
    const auto pool = colony.client();
    for (std::size_t i = 0; i < count; ++i) {
      RetrievalRequest request;
      request.queries = std::span(queries).subspan(i * kDimension, kDimension);
      (void)pool->retrieve(request);
    }
  }
  AnsweredIds oracle(const Corpus& corpus, const StoredQueries& stored, std::int32_t k) const {
    AnsweredIds rows;
    for (std::size_t i = 0; i < stored.query.batch; ++i) {
      rows.emplace_back();
      const auto query = std::span(stored.query.queries).subspan(i * kDimension, kDimension);
      for (const Hit& hit : corpus.oracle(query, k, Metric::kInnerProduct)) {
        rows.back().push_back(hit.id);
      }
    }
    return rows;
  }

  std::mt19937_64 random{rookery::testing::seed()};
  std::vector<float> queries = random_vectors(random, 20, kDimension);
  Corpus old{rookery::testing::seed(), kRows, kDimension};
  Corpus other{rookery::testing::seed() + 1, kRows, kDimension};
  SwappingColony colony;
  WarmUpOptions options{100, 10, std::chrono::seconds(20), {}};
};

TEST_F(WarmUpTest, EveryReplicaOfTheNewGenerationAnswersBeforeAnyClientAsks) {
  colony.add("bbbb", other, kShards, 2);
  const auto stored = stored_queries(colony.view(), of("bbbb"), kRows * 3, options);
  EXPECT_FALSE(stored.asked) << "nobody has asked yet";
  EXPECT_GT(stored.query.batch, 20U);
  const auto found = warm_up(colony.view(), of("bbbb"), stored, options);
  EXPECT_EQ(found, oracle(other, stored, 10));
  // Each replica was asked once more than the one of its shard that gave the passages.
  for (std::size_t member = 0; member < 2 * kShards; ++member) {
    EXPECT_GE(colony.server("bbbb", member).load().served, 1) << member;
  }
}

TEST_F(WarmUpTest, RecallIsTheShareOfTheOldAnswers) {
  colony.add("same", old, 3);
  colony.add("bbbb", other, kShards);
  const auto stored = stored_queries(colony.view(), of("same"), kRows * 3, options);
  const auto live = ask_once(colony.view(), of("aaaa"), stored, {}, options);
  EXPECT_EQ(live, oracle(old, stored, 10));
  EXPECT_EQ(recall(warm_up(colony.view(), of("same"), stored, options), live), 1.0);
  const auto strange = warm_up(colony.view(), of("bbbb"), stored, options);
  const auto share = recall(strange, live);
  ASSERT_TRUE(share);
  EXPECT_LT(*share, 0.5);
  EXPECT_EQ(ask_once(colony.view(), of("same"), stored, index_tools::IndexKind::kExact, options),
            live);
}

TEST_F(WarmUpTest, TheQueriesOfClientsAreTakenWhereTheNodesRememberThem) {
  ask(20);
  colony.add("bbbb", other, kShards);
  // A node remembers a query after it has answered it.
  StoredQueries stored;
  EXPECT_TRUE(rookery::testing::eventually([&] {
    stored = stored_queries(colony.view(), of("bbbb"), kRows * 3, options);
    return stored.query.batch == 20;
  }));
  EXPECT_TRUE(stored.asked);
  EXPECT_EQ(warm_up(colony.view(), of("bbbb"), stored, options), oracle(other, stored, 10));
}

TEST_F(WarmUpTest, ANodeThatCannotAnswerIsNamed) {
  colony.add("bbbb", other, kShards, 2);
  const auto stored = stored_queries(colony.view(), of("bbbb"), kRows * 3, options);
  colony.server("bbbb", 1).drain();
  try {
    (void)warm_up(colony.view(), of("bbbb"), stored, options);
    ADD_FAILURE() << "expected an error";
  } catch (const RetrievalError& error) {
    EXPECT_NE(std::string(error.what()).find("bbbb-0-1 (generation bbbb): "), std::string::npos)
        << error.what();
  }
  EXPECT_EQ(ask_once(colony.view(), of("bbbb"), stored, {}, options), oracle(other, stored, 10))
      << "the shard has another replica";
}

TEST(RecallTest, CountsWhatWasExpected) {
  EXPECT_EQ(recall({{1, 2, 3}}, {{3, 1}}), 1.0);
  EXPECT_EQ(recall({{1, 2}, {}}, {{1, 9}, {5, 6}}), 0.25);
  EXPECT_EQ(recall({}, {{1}}), 0.0);
  EXPECT_EQ(recall({{1}}, {{}}), std::nullopt);
}

}  // namespace
}  // namespace rookery::retriever_pool::testing
