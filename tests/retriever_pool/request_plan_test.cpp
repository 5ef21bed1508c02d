#include "retriever_pool/request_plan.hpp"

#include <gtest/gtest.h>

#include <queue>
#include <random>

#include "retriever_pool/replica_choice.hpp"
#include "retriever_pool/replica_health.hpp"

namespace rookery::retriever_pool {
namespace {

using namespace std::chrono_literals;
using Time = RequestPlan::Time;

const Time kStart = Time{} + 1h;

wire::ErrorBody error(wire::ErrorCode code, std::uint32_t retry_ms = 0) {
  return {code, retry_ms, "because"};
}

TEST(RequestPlanTest, IsCompleteOnlyWhenEveryShardAnswered) {
  RequestPlan plan(2, "g", {});
  EXPECT_EQ(plan.due(kStart), (std::vector<std::int32_t>{0, 1}));
  EXPECT_EQ(plan.sent(0, 10, kStart), 1U);
  EXPECT_EQ(plan.sent(1, 11, kStart), 2U);
  EXPECT_TRUE(plan.due(kStart).empty());
  EXPECT_TRUE(plan.answered(1, {}));
  EXPECT_FALSE(plan.complete());
  EXPECT_TRUE(plan.answered(0, {}));
  EXPECT_TRUE(plan.complete());
  EXPECT_EQ(plan.take_answers().size(), 2U);
}

TEST(RequestPlanTest, ASecondAnswerOfAShardIsADuplicate) {
  RequestPlan plan(1, "g", {});
  plan.sent(0, 10, kStart);
  EXPECT_TRUE(plan.answered(0, {}));
  EXPECT_FALSE(plan.answered(0, {}));
}

TEST(RequestPlanTest, ALostReplicaMakesItsShardDueAtOnce) {
  RequestPlan plan(1, "g", {});
  plan.sent(0, 10, kStart);
  plan.lost(0, 10, "gone");
  EXPECT_EQ(plan.due(kStart), (std::vector<std::int32_t>{0}));
  EXPECT_FALSE(plan.fatal());
}

TEST(RequestPlanTest, ASilentReplicaIsExcludedButMayStillAnswer) {
  RequestPlan plan(1, "g", {500ms, 4, 64});
  plan.sent(0, 10, kStart);
  EXPECT_EQ(plan.next_event(kStart), kStart + 500ms);
  EXPECT_TRUE(plan.expire(kStart + 499ms).empty());
  ASSERT_EQ(plan.expire(kStart + 500ms).size(), 1U);
  EXPECT_TRUE(plan.excluded(0).contains(10));
  EXPECT_EQ(plan.due(kStart + 500ms), (std::vector<std::int32_t>{0}));
  plan.sent(0, 11, kStart + 500ms);
  EXPECT_TRUE(plan.answered(0, {}));
}

TEST(RequestPlanTest, WaitsForSilentReplicasInsteadOfGivingUp) {
  RequestPlan plan(1, "g", {100ms, 2, 64});
  Time now = kStart;
  for (int attempt = 0; attempt < 2; ++attempt) {
    plan.sent(0, 10 + static_cast<std::uint64_t>(attempt), now);
    now += 1s;
    EXPECT_EQ(plan.expire(now).size(), 1U);
  }
  EXPECT_TRUE(plan.due(now).empty());  // spent
  EXPECT_FALSE(plan.fatal());          // but an answer may still come
  EXPECT_EQ(plan.deadline_error().fault(), RetrievalFault::kDeadline);
  plan.lost(0, 10, "died");
  EXPECT_FALSE(plan.fatal());
  plan.lost(0, 11, "died");
  ASSERT_TRUE(plan.fatal());
  EXPECT_EQ(plan.fatal()->fault(), RetrievalFault::kUnavailable);
}

TEST(RequestPlanTest, GivesUpAfterSoManyRefusalsAndSaysWhy) {
  RequestPlan plan(1, "g", {500ms, 2, 64});
  plan.sent(0, 10, kStart);
  plan.failed(0, 10, error(wire::ErrorCode::kOverloaded, 7), kStart);
  EXPECT_FALSE(plan.fatal());
  plan.new_round(0, kStart);
  EXPECT_TRUE(plan.due(kStart + 6ms).empty());
  EXPECT_FALSE(plan.due(kStart + 7ms).empty());
  plan.sent(0, 10, kStart + 7ms);
  plan.failed(0, 10, error(wire::ErrorCode::kOverloaded), kStart + 8ms);
  ASSERT_TRUE(plan.fatal());
  EXPECT_EQ(plan.fatal()->fault(), RetrievalFault::kOverloaded);
  EXPECT_STREQ(plan.fatal()->what(),
               "shard 0 gave no answer after 2 attempts: overloaded: because");
}

TEST(RequestPlanTest, AnInvalidRequestIsNotRetried) {
  RequestPlan plan(2, "g", {});
  plan.sent(0, 10, kStart);
  plan.failed(0, 10, error(wire::ErrorCode::kInvalid), kStart);
  ASSERT_TRUE(plan.fatal());
  EXPECT_EQ(plan.fatal()->fault(), RetrievalFault::kInvalid);
}

TEST(RequestPlanTest, AReplicaThatIsLeavingDoesNotUseUpAttempts) {
  RequestPlan plan(1, "g", {500ms, 1, 64});
  for (std::uint64_t replica = 1; replica <= 20; ++replica) {
    plan.sent(0, replica, kStart);
    plan.failed(0, replica, error(wire::ErrorCode::kDraining), kStart);
    ASSERT_FALSE(plan.fatal()) << replica;
  }
}

TEST(RequestPlanTest, WithoutAnyReplicaTheDeadlineErrorNamesTheShard) {
  const RequestPlan plan(3, "g", {});
  EXPECT_EQ(plan.deadline_error().fault(), RetrievalFault::kUnavailable);
  EXPECT_STREQ(plan.deadline_error().what(),
               "shard 0 had no replica that could be asked before the deadline");
}

// A network on a virtual clock: replicas answer late, twice, refuse, die and come back. Every call
// must end by its deadline, and with an answer whenever each shard had one replica that was well.
TEST(RequestPlanSimulationTest, NoCallIsLostWhileOneReplicaAShardIsWell) {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    std::mt19937_64 random(seed);
    ChoiceRandom choice(seed);
    constexpr std::int32_t kShards = 3;
    constexpr std::uint64_t kReplicas = 3;  // of a shard; replica 0 is always well
    RequestPlan plan(kShards, "g", {50ms, 4, 64});
    struct Event {
      Time at;
      std::int32_t shard;
      std::uint64_t replica;
      int kind;  // 0 answer, 1 lost, 2 overloaded, 3 draining
      bool operator>(const Event& other) const { return at > other.at; }
    };
    std::priority_queue<Event, std::vector<Event>, std::greater<>> events;
    Time now = kStart;
    const Time deadline = kStart + 2s;
    int duplicates = 0;
    while (!plan.complete() && !plan.fatal() && now < deadline) {
      plan.expire(now);
      for (const std::int32_t shard : plan.due(now)) {
        std::vector<Candidate> candidates;
        for (std::uint64_t r = 0; r < kReplicas; ++r) {
          if (!plan.excluded(shard).contains(r)) candidates.push_back({r, 1.0, false});
        }
        const auto chosen = choose_replica(candidates, choice);
        if (!chosen) {
          plan.new_round(shard, now);
          continue;
        }
        plan.sent(shard, *chosen, now);
        const bool well = *chosen == 0;
        const int kind = well ? 0 : static_cast<int>(random() % 5);
        const auto delay = std::chrono::milliseconds(well ? 1 + random() % 10 : random() % 200);
        if (kind < 4) events.push({now + delay, shard, *chosen, kind});
        if (kind == 0 && random() % 3 == 0) events.push({now + 2 * delay, shard, *chosen, 0});
      }
      Time next = deadline;
      if (const auto event = plan.next_event(now)) next = std::min(next, *event);
      if (!events.empty()) next = std::min(next, events.top().at);
      ASSERT_GE(next, now) << "seed " << seed;
      now = std::max(next, now + 1us);
      while (!events.empty() && events.top().at <= now) {
        const Event event = events.top();
        events.pop();
        if (event.kind == 0) duplicates += !plan.answered(event.shard, {});
        if (event.kind == 1) plan.lost(event.shard, event.replica, "died");
        if (event.kind == 2) {
          plan.failed(event.shard, event.replica, error(wire::ErrorCode::kOverloaded, 1), now);
        }
        if (event.kind == 3) {
          plan.failed(event.shard, event.replica, error(wire::ErrorCode::kDraining), now);
        }
      }
    }
    EXPECT_TRUE(plan.complete()) << "seed " << seed << ": "
                                 << (plan.fatal() ? plan.fatal()->what() : "deadline");
  }
}

TEST(ReplicaChoiceTest, TakesTheCheaperOfTwo) {
  ChoiceRandom random(1);
  const std::vector<Candidate> two = {{7, 5.0, false}, {8, 1.0, false}};
  for (int i = 0; i < 50; ++i) EXPECT_EQ(choose_replica(two, random), 8U);
}

TEST(ReplicaChoiceTest, SpreadsOverEqualReplicasAndRepeatsWithItsSeed) {
  const std::vector<Candidate> equal = {{0, 1.0, false}, {1, 1.0, false}, {2, 1.0, false}};
  std::vector<int> counts(3);
  ChoiceRandom first(5), second(5);
  for (int i = 0; i < 3000; ++i) {
    const auto chosen = choose_replica(equal, first);
    EXPECT_EQ(chosen, choose_replica(equal, second));
    ++counts[*chosen];
  }
  for (const int count : counts) EXPECT_NEAR(count, 1000, 150);
}

TEST(ReplicaChoiceTest, AsksSuspectsOnlyWhenThereIsNobodyElse) {
  ChoiceRandom random(1);
  const std::vector<Candidate> mixed = {{0, 1.0, true}, {1, 900.0, false}};
  for (int i = 0; i < 20; ++i) EXPECT_EQ(choose_replica(mixed, random), 1U);
  const std::vector<Candidate> suspects = {{0, 1.0, true}};
  EXPECT_EQ(choose_replica(suspects, random), 0U);
  EXPECT_EQ(choose_replica({}, random), std::nullopt);
}

TEST(ReplicaHealthTest, SilenceAfterAPingMakesASuspectUntilAnythingComes) {
  ReplicaHealth health;
  health.connected(kStart);
  EXPECT_FALSE(health.ping_due(kStart + 249ms));
  EXPECT_TRUE(health.ping_due(kStart + 250ms));
  health.ping_sent(kStart + 250ms);
  EXPECT_FALSE(health.ping_due(kStart + 10s));  // one at a time
  EXPECT_FALSE(health.check(kStart + 999ms));
  EXPECT_TRUE(health.check(kStart + 1000ms));
  EXPECT_TRUE(health.suspect());
  EXPECT_FALSE(health.check(kStart + 1001ms));  // told once
  health.ponged(kStart + 30s);
  EXPECT_FALSE(health.suspect());
}

TEST(ReplicaHealthTest, CostGrowsWithWhatIsInFlightAndWithLatency) {
  ReplicaHealth fast, slow;
  fast.connected(kStart);
  slow.connected(kStart);
  for (int i = 0; i < 50; ++i) {
    fast.sent();
    fast.answered(200us);
    slow.sent();
    slow.answered(5000us);
  }
  EXPECT_LT(fast.cost(), slow.cost());
  const double idle = fast.cost();
  fast.sent();
  EXPECT_DOUBLE_EQ(fast.cost(), 2 * idle);
}

}  // namespace
}  // namespace rookery::retriever_pool
