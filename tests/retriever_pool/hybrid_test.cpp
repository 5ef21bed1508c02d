#include "retriever_pool/hybrid.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <deque>
#include <random>

#include "tests/support/seed.hpp"

namespace rookery::retriever_pool {
namespace {

using Hits = std::vector<Hit>;

Hits random_list(std::mt19937_64& random, std::size_t length) {
  std::vector<std::int64_t> ids(40);
  for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<std::int64_t>(i);
  std::shuffle(ids.begin(), ids.end(), random);
  Hits hits;
  for (std::size_t i = 0; i < length; ++i) {
    hits.push_back({ids[i], static_cast<float>(random() % 10) - 3});
  }
  std::sort(hits.begin(), hits.end(), better);
  return hits;
}

TEST(FuseHitsTest, ReciprocalRanksAddUp) {
  const Hits dense = {{7, 9}, {3, 8}, {5, 1}};
  const Hits sparse = {{3, 4}, {9, 2}};
  const auto part = [](int rank) { return 1.0 / (60 + rank); };
  const Hits expected = {{3, static_cast<float>(part(2) + part(1))},
                         {7, static_cast<float>(part(1))},
                         {9, static_cast<float>(part(2))},
                         {5, static_cast<float>(part(3))}};
  EXPECT_EQ(fuse_hits(dense, sparse, 10, {}), expected);
  EXPECT_EQ(fuse_hits(dense, sparse, 2, {}), (Hits{expected[0], expected[1]}));
}

TEST(FuseHitsTest, WeightedSumsScaleEachListToOne) {
  FusionOptions options;
  options.method = FusionMethod::kWeightedSum;
  options.dense_weight = 0.75;
  const Hits dense = {{1, -1}, {2, -2}, {3, -5}};
  const Hits sparse = {{2, 8}, {4, 6}, {1, 4}};
  const Hits expected = {{2, static_cast<float>(0.75 * 3 / 4 + 0.25)},
                         {1, 0.75F},
                         {4, static_cast<float>(0.25 / 2)},
                         {3, 0.0F}};
  EXPECT_EQ(fuse_hits(dense, sparse, 10, options), expected);
}

TEST(FuseHitsTest, EqualScoresStandByRisingId) {
  EXPECT_EQ(fuse_hits(Hits{{9, 1}}, Hits{{4, 1}}, 5, {}).front().id, 4);
  FusionOptions options;
  options.method = FusionMethod::kWeightedSum;
  // Lists of one score: all of their documents count fully.
  const Hits expected = {{1, 0.5F}, {2, 0.5F}, {8, 0.5F}};
  EXPECT_EQ(fuse_hits(Hits{{2, 3}, {8, 3}}, Hits{{1, 7}}, 5, options), expected);
}

TEST(FuseHitsTest, TakesOnlySoManyOfEachListButAtLeastK) {
  FusionOptions options;
  options.depth = 1;
  const Hits dense = {{1, 5}, {2, 4}, {3, 3}};
  EXPECT_EQ(fuse_hits(dense, {}, 1, options).size(), 1U);
  EXPECT_EQ(fuse_hits(dense, {}, 3, options).size(), 3U);
  EXPECT_TRUE(fuse_hits({}, {}, 3, options).empty());
}

TEST(FuseHitsTest, EqualsTheSumOverEveryDocument) {
  std::mt19937_64 random(rookery::testing::seed());
  for (int i = 0; i < 300; ++i) {
    FusionOptions options;
    options.depth = static_cast<std::int32_t>(random() % 30 + 1);
    options.rank_constant = static_cast<double>(random() % 100);
    const auto k = static_cast<std::int32_t>(random() % 30 + 1);
    const Hits dense = random_list(random, random() % 40);
    const Hits sparse = random_list(random, random() % 40);
    Hits expected;
    for (std::int64_t id = 0; id < 40; ++id) {
      double sum = 0;
      for (const Hits* list : {&dense, &sparse}) {
        for (std::int32_t rank = 0; rank < std::max(options.depth, k); ++rank) {
          if (rank >= std::ssize(*list) || (*list)[static_cast<std::size_t>(rank)].id != id) {
            continue;
          }
          sum += 1 / (options.rank_constant + rank + 1);
        }
      }
      if (sum > 0) expected.push_back({id, static_cast<float>(sum)});
    }
    std::sort(expected.begin(), expected.end(), better);
    expected.resize(std::min(expected.size(), static_cast<std::size_t>(k)));
    ASSERT_EQ(fuse_hits(dense, sparse, k, options), expected);
  }
}

TEST(FuseHitsTest, RefusesOptionsThatMakeNoSense) {
  const auto complaint = [](std::int32_t k, const FusionOptions& options) {
    try {
      (void)fuse_hits({}, {}, k, options);
    } catch (const std::invalid_argument& error) {
      return std::string(error.what());
    }
    return std::string("none");
  };
  FusionOptions options;
  EXPECT_EQ(complaint(0, options), "fusion: expected k in [1, 1024], got 0");
  options.depth = 2000;
  EXPECT_EQ(complaint(5, options), "fusion: expected a depth in [1, 1024], got 2000");
  options = {};
  options.dense_weight = std::nan("");
  EXPECT_NE(complaint(5, options).find("expected a dense_weight in [0, 1]"), std::string::npos);
  options = {};
  options.rank_constant = -1;
  EXPECT_NE(complaint(5, options).find("expected a rank_constant"), std::string::npos);
  EXPECT_EQ(fusion_method_from_name("rrf"), FusionMethod::kReciprocalRank);
  EXPECT_EQ(fusion_method_from_name("weighted"), FusionMethod::kWeightedSum);
  EXPECT_THROW((void)fusion_method_from_name("sum"), std::invalid_argument);
}

/// Answers from two fixed lists and remembers what it was asked.
class FakePool final : public Retriever {
 public:
  RetrievalAnswer retrieve(const RetrievalRequest& request) override {
    EXPECT_TRUE(request.queries.empty() != request.texts.empty());
    const bool text = !request.texts.empty();
    EXPECT_EQ(request.kind == index_tools::IndexKind::kBm25, text);
    depths.push_back(request.k);
    asked += text ? "t" : "v";
    RetrievalAnswer answer;
    answer.generation = generations.empty() ? "g1" : generations.front();
    if (!generations.empty()) generations.pop_front();
    answer.shards_answered = answer.shards_wanted = 2;
    answer.attempts = 2;
    const std::size_t batch = text ? request.texts.size() : request.queries.size() / 2;
    for (std::size_t q = 0; q < batch; ++q) {
      auto& row = answer.rows.emplace_back();
      for (const Hit& hit : text ? Hits{{3, 4}, {9, 2}} : Hits{{7, 9}, {3, 8}}) {
        Document document;
        document.id = hit.id;
        document.score = hit.score;
        document.text = "text " + std::to_string(hit.id);
        row.push_back(document);
      }
    }
    return answer;
  }
  IndexDescription description() override { return {}; }

  std::deque<std::string> generations;  // of the answers to come
  std::vector<std::int32_t> depths;
  std::string asked;
};

struct Question {
  std::vector<float> vectors = {1, 2, 3, 4};
  std::vector<std::string> texts = {"one", "two"};
  [[nodiscard]] RetrievalRequest request() const {
    RetrievalRequest request;
    request.queries = vectors;
    request.texts = texts;
    request.k = 2;
    return request;
  }
};

TEST(RetrieveHybridTest, FusesTheTwoAnswersOfAPool) {
  FakePool pool;
  const Question question;
  const RetrievalAnswer answer = retrieve_hybrid(pool, question.request());
  ASSERT_EQ(answer.rows.size(), 2U);
  for (const auto& row : answer.rows) {
    ASSERT_EQ(row.size(), 2U);
    EXPECT_EQ(row[0].id, 3);
    EXPECT_EQ(row[0].score, static_cast<float>(1.0 / 62 + 1.0 / 61));
    EXPECT_EQ(row[0].text, "text 3");
    EXPECT_EQ(row[1].id, 7);
  }
  EXPECT_EQ(answer.generation, "g1");
  EXPECT_EQ(answer.shards_wanted, 2);
  EXPECT_EQ(answer.attempts, 4);
  EXPECT_EQ(pool.depths, (std::vector<std::int32_t>{100, 100}));
}

TEST(RetrieveHybridTest, AsksAgainOnceWhenTheGenerationChanged) {
  const Question question;
  FakePool moved;
  moved.generations = {"g1", "g2", "g2"};
  EXPECT_EQ(retrieve_hybrid(moved, question.request()).generation, "g2");
  EXPECT_EQ(moved.asked, "vtv");

  FakePool swinging;
  swinging.generations = {"g1", "g2", "g3", "g3"};
  EXPECT_EQ(retrieve_hybrid(swinging, question.request()).generation, "g3");

  FakePool restless;
  restless.generations = {"g1", "g2", "g3", "g4"};
  try {
    (void)retrieve_hybrid(restless, question.request());
    FAIL() << "two generations were fused";
  } catch (const RetrievalError& error) {
    EXPECT_EQ(error.fault(), RetrievalFault::kUnavailable);
  }
}

TEST(RetrieveHybridTest, RefusesQuestionsThatLackAVectorOrAText) {
  const auto fault = [](const RetrievalRequest& request) {
    FakePool pool;
    try {
      (void)retrieve_hybrid(pool, request);
    } catch (const RetrievalError& error) {
      return std::string(error.what());
    }
    return std::string("none");
  };
  const Question question;
  RetrievalRequest request = question.request();
  request.texts = {};
  EXPECT_EQ(fault(request), "hybrid: expected the vectors and the texts of the same questions");
  request = question.request();
  request.queries = std::span(question.vectors).first(3);
  EXPECT_EQ(fault(request),
            "hybrid: expected a vector for each of 2 texts and a dense kind, got 3 floats");
  request = question.request();
  request.k = 0;
  EXPECT_EQ(fault(request), "fusion: expected k in [1, 1024], got 0");
  request = question.request();
  request.deadline = std::chrono::milliseconds(0);
  EXPECT_EQ(fault(request), "the deadline passed between two searches");
}

}  // namespace
}  // namespace rookery::retriever_pool
