#include "retriever_pool/request_plan.hpp"

#include <gtest/gtest.h>

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

TEST(RequestPlanTest, ALateAnswerIsHedgedOnceAndEitherAnswerWins) {
  RequestPlan plan(1, "g", {});
  plan.sent(0, 10, kStart, {AttemptKind::kFirst, 0us, 5ms});
  EXPECT_EQ(plan.next_event(kStart), kStart + 5ms);
  EXPECT_TRUE(plan.hedges_due(kStart + 4ms).empty());
  ASSERT_EQ(plan.hedges_due(kStart + 5ms), (std::vector<std::int32_t>{0}));
  plan.postpone_hedge(0, kStart + 8ms);
  EXPECT_TRUE(plan.hedges_due(kStart + 7ms).empty());
  plan.sent(0, 11, kStart + 8ms, {AttemptKind::kHedge, 0us, {}});
  EXPECT_TRUE(plan.hedges_due(kStart + 100ms).empty());
  EXPECT_TRUE(plan.due(kStart + 100ms).empty());
  EXPECT_TRUE(plan.open_at(0, 10));
  EXPECT_TRUE(plan.open_at(0, 11));
  // The hedge fails: the first message is still open, so nobody is asked.
  plan.failed(0, 11, error(wire::ErrorCode::kOverloaded), kStart + 100ms);
  EXPECT_TRUE(plan.due(kStart + 100ms).empty());
  EXPECT_TRUE(plan.answered(0, {}));
  EXPECT_TRUE(plan.complete());
}

TEST(RequestPlanTest, AFailureNeedsATokenAndALossDoesNot) {
  RequestPlan plan(1, "g", {});
  EXPECT_EQ(plan.next_kind(0), AttemptKind::kFirst);
  plan.sent(0, 10, kStart);
  plan.lost(0, 10, "gone");
  EXPECT_EQ(plan.next_kind(0), AttemptKind::kRetry);
  EXPECT_FALSE(plan.needs_retry_token(0));
  plan.sent(0, 11, kStart);
  plan.failed(0, 11, error(wire::ErrorCode::kInternal), kStart);
  EXPECT_TRUE(plan.needs_retry_token(0));
  plan.hold_back(0, kStart + 1s);
  EXPECT_TRUE(plan.due(kStart + 999ms).empty());
  EXPECT_EQ(plan.due(kStart + 1s).size(), 1U);
  EXPECT_FALSE(plan.needs_retry_token(0));
}

TEST(RequestPlanTest, ASlowShardsAttemptsLastLonger) {
  RequestPlan plan(1, "g", {500ms, 4, 64});
  plan.sent(0, 10, kStart, {AttemptKind::kFirst, 3s, {}});
  EXPECT_TRUE(plan.expire(kStart + 2999ms).empty());
  EXPECT_EQ(plan.expire(kStart + 3s).size(), 1U);
}

}  // namespace
}  // namespace rookery::retriever_pool
