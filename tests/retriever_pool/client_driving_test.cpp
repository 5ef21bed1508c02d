#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <thread>

#include "raw_peer.hpp"
#include "test_colony.hpp"
#include "tests/support/eventually.hpp"

namespace rookery::retriever_pool {
namespace {

using namespace std::chrono_literals;
using rookery::testing::eventually;
using testing::Corpus;
using testing::ScriptedReplica;
using testing::TestColony;

/// One replica that never answers and is the only one ready at first, and one that can be added.
class ClientDrivingTest : public ::testing::Test {
 protected:
  ClientDrivingTest() {
    colony.set_endpoint(0, silent->endpoint());
    colony.set_state(1, ReplicaState::kDraining);
    colony.publish();
    PoolClientOptions options;
    options.attempt_timeout = 60s;  // so that nothing but what the tests do can help
    options.hedge.enabled = false;
    pool = colony.client(options);
  }
  /// "" for the right answer, else what went wrong.
  std::future<std::string> ask(std::chrono::milliseconds deadline) {
    // The pointer is read here: one of the tests closes the client while its calls are open.
    return std::async(std::launch::async, [this, client = pool.get(), deadline]() -> std::string {
      RetrievalRequest request;
      request.queries = query;
      request.deadline = deadline;
      try {
        const auto answer = client->retrieve(request);
        const auto right = corpus.oracle(query, 5, Metric::kInnerProduct);
        return testing::hits_of(answer.rows.front()) == right ? "" : "wrong";
      } catch (const RetrievalError& error) {
        return error.what();
      }
    });
  }
  [[nodiscard]] bool arrived(int queries) const {
    return eventually([&] { return silent->queries() == queries; });
  }
  /// Returns when the client knows: a call that it took before would go to the silent one.
  void add_the_other(ReplicaState silent_becomes) {
    colony.set_state(0, silent_becomes);
    colony.set_state(1, ReplicaState::kReady);
    colony.generation().index.encoder_name = "with the other";
    colony.publish();
    ASSERT_TRUE(eventually([&] { return pool->description().encoder_name == "with the other"; }));
  }
  static bool over(const std::future<std::string>& call) {
    return eventually([&] { return call.wait_for(0s) == std::future_status::ready; });
  }

  Corpus corpus{43, 300, 16};
  std::vector<float> query = std::vector<float>(16, 0.5F);
  std::unique_ptr<ScriptedReplica> silent = std::make_unique<ScriptedReplica>(
      [](const auto&, const auto&) { return std::vector<ScriptedReplica::Frames>{}; });
  TestColony colony{corpus, 1, 2};
  std::unique_ptr<Retriever> pool;
};

TEST_F(ClientDrivingTest, ALaterCallIsAnsweredWhileTheOneThatDrivesStillWaits) {
  auto first = ask(20s);
  ASSERT_TRUE(arrived(1));
  add_the_other(ReplicaState::kDraining);  // keeps its connection, gets nothing new
  auto second = ask(20s);
  ASSERT_TRUE(over(second));
  EXPECT_EQ(second.get(), "");
  EXPECT_EQ(first.wait_for(0s), std::future_status::timeout);
  silent.reset();
  EXPECT_EQ(first.get(), "");
}

TEST_F(ClientDrivingTest, WhenTheOneThatDrivesGivesUpTheNextDrives) {
  auto first = ask(200ms);
  ASSERT_TRUE(arrived(1));
  auto second = ask(20s), third = ask(20s);
  ASSERT_TRUE(arrived(3));
  EXPECT_NE(first.get(), "") << "nobody answered it";
  add_the_other(ReplicaState::kGone);
  ASSERT_TRUE(over(second));
  ASSERT_TRUE(over(third));
  EXPECT_EQ(second.get(), "");
  EXPECT_EQ(third.get(), "");
}

TEST_F(ClientDrivingTest, WithoutCallersTheViewIsFollowed) {
  EXPECT_NE(ask(50ms).get(), "");
  for (const std::string name : {"first", "second", "third"}) {
    colony.generation().index.encoder_name = name;
    colony.publish();
    EXPECT_TRUE(eventually([&] { return pool->description().encoder_name == name; })) << name;
  }
}

TEST_F(ClientDrivingTest, CallsAtShortAndLongIntervalsAreAllAnswered) {
  add_the_other(ReplicaState::kGone);
  ASSERT_TRUE(eventually([&] { return ask(1s).get().empty(); }));
  for (int i = 0; i < 60; ++i) {
    if (i % 7 == 0) {  // a pause that is over when the client has followed the view by itself
      colony.generation().index.encoder_name = std::to_string(i);
      colony.publish();
      ASSERT_TRUE(
          eventually([&] { return pool->description().encoder_name == std::to_string(i); }));
    }
    EXPECT_EQ(ask(20s).get(), "");
  }
}

TEST_F(ClientDrivingTest, ClosingEndsOpenCalls) {
  auto first = ask(20s), second = ask(20s);
  ASSERT_TRUE(arrived(2));
  std::thread closer([&] { pool.reset(); });
  EXPECT_EQ(first.get(), "the client is closing");
  EXPECT_EQ(second.get(), "the client is closing");
  closer.join();
}

}  // namespace
}  // namespace rookery::retriever_pool
