// Clients of a colony whose generations change under them.
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <random>
#include <thread>

#include "swapping_colony.hpp"
#include "tests/support/eventually.hpp"
#include "tests/support/seed.hpp"

namespace rookery::retriever_pool::testing {
namespace {

using namespace std::chrono_literals;
using rookery::testing::eventually;

constexpr std::int32_t kDimension = 16, kRows = 120, kDocuments = 7;

class GenerationsTest : public ::testing::Test {
 protected:
  /// The same ids, other vectors: an answer tells by its scores which generation it is from.
  Corpus corpus(std::uint64_t number) const {
    return Corpus(rookery::testing::seed() + number, kRows, kDimension);
  }
  RetrievalRequest request(const std::string& generation = {}) const {
    RetrievalRequest asked;
    asked.queries = query;
    asked.k = kDocuments;
    asked.want_passages = false;
    asked.deadline = 10s;
    asked.generation = generation;
    return asked;
  }
  static RetrievalFault fault(Retriever& pool, const RetrievalRequest& asked) {
    try {
      (void)pool.retrieve(asked);
    } catch (const RetrievalError& error) {
      return error.fault();
    }
    ADD_FAILURE() << "expected an error";
    return RetrievalFault::kInternal;
  }
  bool right(const RetrievalAnswer& answer, const Corpus& of) const {
    return hits_of(answer.rows.at(0)) == of.oracle(query, kDocuments, Metric::kInnerProduct);
  }

  std::mt19937_64 random{rookery::testing::seed()};
  std::vector<float> query = random_vectors(random, 1, kDimension);
};

TEST_F(GenerationsTest, APinnedRequestIsAnsweredByItsGenerationAlone) {
  const Corpus a = corpus(1), b = corpus(2);
  SwappingColony colony;
  colony.add("aaaa", a, 2, 2, GenerationRole::kLive);
  colony.publish();
  const auto pool = colony.client();
  EXPECT_EQ(fault(*pool, request("bbbb")), RetrievalFault::kUnavailable);
  colony.add("bbbb", b, 3);
  colony.make_live("bbbb");
  colony.publish();
  ASSERT_TRUE(eventually([&] { return pool->description().generation == "bbbb"; }));
  const auto fresh = pool->retrieve(request());
  EXPECT_EQ(fresh.generation, "bbbb");
  EXPECT_EQ(fresh.shards_answered, 3);
  EXPECT_TRUE(right(fresh, b));
  const auto pinned = pool->retrieve(request("aaaa"));
  EXPECT_EQ(pinned.generation, "aaaa");
  EXPECT_EQ(pinned.shards_answered, 2);
  EXPECT_TRUE(right(pinned, a));
  colony.remove("aaaa");
  ASSERT_TRUE(eventually([&] {
    try {
      (void)pool->retrieve(request("aaaa"));
      return false;
    } catch (const RetrievalError& error) {
      return error.fault() == RetrievalFault::kUnavailable;
    }
  }));
  EXPECT_TRUE(right(pool->retrieve(request()), b));
}

TEST_F(GenerationsTest, APreparingGenerationIsNotAskedBeforeItIsLive) {
  const Corpus a = corpus(1), b = corpus(2);
  SwappingColony colony;
  colony.add("aaaa", a, 1, 1, GenerationRole::kLive);
  colony.add("bbbb", b, 1);
  colony.publish();
  const auto pool = colony.client();
  EXPECT_EQ(pool->retrieve(request()).generation, "aaaa");
  auto impatient = request("bbbb");
  impatient.deadline = 50ms;
  EXPECT_EQ(fault(*pool, impatient), RetrievalFault::kUnavailable);
  // Another client may have seen the switch a moment earlier: then the call waits for it.
  RetrievalAnswer answer;
  std::thread caller([&] { answer = pool->retrieve(request("bbbb")); });
  colony.make_live("bbbb");
  colony.publish();
  caller.join();
  EXPECT_EQ(answer.generation, "bbbb");
  EXPECT_TRUE(right(answer, b));
}

TEST_F(GenerationsTest, TwentySwitchesUnderLoadLoseNothingAndMixNothing) {
  constexpr int kSwitches = 20;
  std::map<std::string, Corpus> corpora;
  const auto name = [](int number) { return "gen" + std::to_string(100 + number); };
  for (int i = 0; i <= kSwitches; ++i) {
    corpora.emplace(name(i), corpus(static_cast<std::uint64_t>(i)));
  }
  SwappingColony colony;
  colony.add(name(0), corpora.at(name(0)), 2, 1, GenerationRole::kLive);
  colony.publish();
  std::atomic<bool> stopping = false;
  std::atomic<int> answered = 0, wrong = 0, lost = 0, unknown = 0;
  std::vector<std::thread> callers;
  for (int c = 0; c < 2; ++c) {
    callers.emplace_back([&] {
      const auto pool = colony.client();
      while (!stopping) {
        try {
          const auto answer = pool->retrieve(request());
          const auto found = corpora.find(answer.generation);
          unknown += found == corpora.end();
          if (found != corpora.end()) wrong += !right(answer, found->second);
        } catch (const RetrievalError& error) {
          if (lost++ == 0) ADD_FAILURE() << error.what();
        }
        ++answered;
      }
    });
  }
  for (int i = 1; i <= kSwitches; ++i) {
    colony.add(name(i), corpora.at(name(i)), 1 + i % 3);
    colony.publish();
    colony.make_live(name(i));
    colony.publish();
    const int so_far = answered;
    EXPECT_TRUE(eventually([&] { return answered >= so_far + 5; }));
    colony.remove(name(i - 1));
  }
  stopping = true;
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(lost, 0);
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(unknown, 0);
}

TEST_F(GenerationsTest, ALeaseIsKnownToTheHeadUntilItEnds) {
  SwappingColony colony(
      {1s, 4});  // renewed each third of it, also by a thread that waits for a core
  colony.add("aaaa", corpus(1), 1, 1, GenerationRole::kLive);
  colony.publish();
  auto pool = colony.client();
  const auto& leases = colony.views().leases();
  EXPECT_EQ(leases.count("main", "aaaa"), 0);
  auto first = pool->lease();
  auto second = pool->lease();
  EXPECT_EQ(first->generation(), "aaaa");
  EXPECT_EQ(leases.count("main", "aaaa"), 2);
  // It is renewed: it would have run out twice over meanwhile.
  const auto later = std::chrono::steady_clock::now() + 2'200ms;
  EXPECT_TRUE(eventually([&] {
    EXPECT_EQ(leases.count("main", "aaaa"), 2);
    return std::chrono::steady_clock::now() > later;
  }));
  first.reset();
  EXPECT_TRUE(eventually([&] { return leases.count("main", "aaaa") == 1; }));
  pool.reset();  // the lease may outlive its client, but nobody renews it then
  EXPECT_TRUE(eventually([&] { return leases.count("main", "aaaa") == 0; }));
  second.reset();
}

TEST_F(GenerationsTest, ANewHeadLearnsOfLeasesByTheirRenewal) {
  const Corpus a = corpus(1);
  SwappingColony colony;
  colony.add("aaaa", a, 1, 1, GenerationRole::kLive);
  auto head = std::make_unique<ViewServer>("tcp://127.0.0.1:*");
  const std::string endpoint = head->endpoint();
  head->publish(colony.view());
  PoolClientOptions options;
  options.head = endpoint;
  const auto pool = open_pool_client(options);
  const auto lease = pool->lease();
  EXPECT_EQ(head->leases().count("main", "aaaa"), 1);
  head.reset();
  EXPECT_TRUE(right(pool->retrieve(request(lease->generation())), a));
  head = std::make_unique<ViewServer>(endpoint);
  EXPECT_TRUE(head->leases().in_use("main", "aaaa"));
  // No view yet, so the index has no default name either: the client's own is kept.
  colony.view().term = 2;
  head->publish(colony.view());
  EXPECT_TRUE(eventually([&] { return head->leases().count("main", "aaaa") == 1; }));
}

TEST_F(GenerationsTest, ALeaseThatTheHeadRefusesIsAnErrorOfTheCaller) {
  SwappingColony colony({10s, 1});
  colony.add("aaaa", corpus(1), 1, 1, GenerationRole::kLive);
  colony.publish();
  const auto pool = colony.client();
  const auto first = pool->lease();
  try {
    (void)pool->lease();
    ADD_FAILURE() << "expected a refusal";
  } catch (const RetrievalError& error) {
    EXPECT_EQ(error.fault(), RetrievalFault::kOverloaded);
    EXPECT_STREQ(error.what(), "the head keeps 1 leases already, which is its limit");
  }
}

}  // namespace
}  // namespace rookery::retriever_pool::testing
