#include "launch/chaos/call_history.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "launch/chaos/scenario.hpp"

namespace rookery::launch {
namespace {

CallRecord call(double due, double ms, CallOutcome outcome, std::int32_t client = 0) {
  CallRecord record;
  record.client = client;
  record.due = record.sent = due;
  record.done = due + ms / 1000;
  record.deadline = 2;
  record.outcome = outcome;
  record.generation = "7f3a";
  record.attempts = 2;
  if (outcome == CallOutcome::kError) record.error = "no way";
  return record;
}

TEST(CallHistoryTest, CountsEveryCallOfAWindowUnderWhatItWas) {
  const std::vector<CallRecord> calls = {
      call(0.5, 10, CallOutcome::kRight),   call(1.0, 20, CallOutcome::kRight),
      call(1.1, 30, CallOutcome::kWrong),   call(1.2, 40, CallOutcome::kMisplaced),
      call(1.3, 2100, CallOutcome::kError), call(1.4, 2400, CallOutcome::kError, 1),
      call(2.0, 9000, CallOutcome::kRight)};
  const auto sum = summarise(calls, 1, 2);
  EXPECT_EQ(sum.calls, 5);
  EXPECT_EQ(sum.right, 1);
  EXPECT_EQ(sum.wrong, 1);
  EXPECT_EQ(sum.misplaced, 1);
  EXPECT_EQ(sum.errors, 2);
  EXPECT_EQ(sum.late, 1) << "2.4 s with a deadline of 2 s, and 0.25 s of slack";
  EXPECT_EQ(sum.attempts, 10);
  EXPECT_EQ(sum.by_generation.at("7f3a"), 1);
  EXPECT_EQ(sum.error_words.at("no way"), 2);
  EXPECT_DOUBLE_EQ(sum.max_ms, 2400);
  EXPECT_EQ(summarise(calls, 1, 2, 1).calls, 1);
  EXPECT_EQ(summarise({}, 0, 1).p99_ms, 0);
}

TEST(CallHistoryTest, LatencyIsCountedFromWhenACallWasDue) {
  auto waited = call(1, 5, CallOutcome::kRight);
  waited.sent = 1.5;
  waited.done = 1.505;
  const std::vector<CallRecord> calls = {waited};
  EXPECT_NEAR(latency_percentile(calls, 0, 2, 0.99), 505, 1e-6);
}

TEST(ScenarioReportTest, FailsByAnyCountAndByFiguresAShortRunNotByTimings) {
  ScenarioReport sound;
  sound.count("restarts", 3, 10);
  sound.at_least("deaths", 3, 3);
  sound.timing("p99", 5, 1.3, "x");
  ScenarioReport full = sound;
  sound.conclude(true);
  EXPECT_EQ(sound.status, ScenarioStatus::kPass);
  full.conclude(false);
  EXPECT_EQ(full.status, ScenarioStatus::kFail);
  EXPECT_EQ(full.reason, "p99");
  ScenarioReport wrong;
  wrong.wrong = 1;
  wrong.conclude(true);
  EXPECT_EQ(wrong.status, ScenarioStatus::kFail);
  EXPECT_EQ(wrong.reason, "1 wrong");
  ScenarioReport few;
  few.at_least("deaths", 2, 3);
  few.conclude(true);
  EXPECT_EQ(few.status, ScenarioStatus::kFail);
}

TEST(ScenarioListTest, HasEveryNumberOnceAndAShortSet) {
  const auto all = all_scenarios();
  int brief = 0;
  for (std::size_t i = 0; i < all.size(); ++i) {
    brief += all[i].in_short;
    if (i > 0) {
      EXPECT_NE(all[i].id, all[i - 1].id);
    }
  }
  EXPECT_GE(brief, 5);
}

}  // namespace
}  // namespace rookery::launch
