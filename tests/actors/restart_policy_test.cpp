#include "actors/restart_policy.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace rookery::actors {
namespace {

using namespace std::chrono_literals;

class RestartPolicyTest : public ::testing::Test {
 protected:
  /// Dies `life` after its start; returns the pause until the next start and moves the clock there.
  std::chrono::milliseconds die_after(std::chrono::milliseconds life) {
    const auto death = now + life;
    const auto next = policy.died(now, death);
    now = next;
    return std::chrono::duration_cast<std::chrono::milliseconds>(next - death);
  }
  RestartPolicy policy;
  TimePoint now{};
};

TEST_F(RestartPolicyTest, DoublesThePauseFromQuickDeathToQuickDeathUpToThirtySeconds) {
  std::vector<std::chrono::milliseconds> pauses;
  for (int i = 0; i < 10; ++i) pauses.push_back(die_after(1s));
  const std::vector<std::chrono::milliseconds> expected = {
      200ms, 400ms, 800ms, 1'600ms, 3'200ms, 6'400ms, 12'800ms, 25'600ms, 30'000ms, 30'000ms};
  EXPECT_EQ(pauses, expected);
}

TEST_F(RestartPolicyTest, ALongLifeClearsThePast) {
  for (int i = 0; i < 6; ++i) die_after(1s);
  EXPECT_TRUE(policy.crash_loop());
  EXPECT_EQ(die_after(10s), 200ms);
  EXPECT_FALSE(policy.crash_loop());
  EXPECT_EQ(die_after(1s), 200ms);
  EXPECT_EQ(die_after(1s), 400ms);
}

TEST_F(RestartPolicyTest, FiveQuickDeathsInARowAreACrashLoop) {
  for (int i = 0; i < 4; ++i) die_after(1s);
  EXPECT_FALSE(policy.crash_loop());
  die_after(1s);
  EXPECT_TRUE(policy.crash_loop());
  EXPECT_EQ(policy.restarts(), 5);
}

TEST_F(RestartPolicyTest, AllowsAtMostTenRestartsInAnyFiveMinutes) {
  // One that dies 1 s after each start, for half an hour, and one that is killed every 6 s, which
  // counts as a long life and has no back-off to slow it down.
  for (const auto life : {1'000ms, 6'000ms}) {
    policy = RestartPolicy();
    now = TimePoint{};
    std::vector<TimePoint> starts;
    while (now < TimePoint{} + 30min) {
      die_after(life);
      starts.push_back(now);
    }
    for (std::size_t first = 0; first + 10 < starts.size(); ++first) {
      EXPECT_GE(starts[first + 10] - starts[first], 5min) << "life " << life.count();
    }
  }
}

}  // namespace
}  // namespace rookery::actors
