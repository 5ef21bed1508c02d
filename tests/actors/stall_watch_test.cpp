#include "actors/stall_watch.hpp"

#include <gtest/gtest.h>

namespace rookery::actors {
namespace {

using namespace std::chrono_literals;
using retriever_pool::SearchPulse;

class StallWatchTest : public ::testing::Test {
 protected:
  /// Looks for `time`, ten times a second; true when any look found a hang.
  bool look(const SearchPulse& pulse, std::chrono::milliseconds time) {
    bool found = false;
    for (auto left = time; left > 0ms; left -= 100ms) {
      now += 100ms;
      found |= watch.look(pulse, now);
    }
    return found;
  }
  StallWatch watch{2s};
  std::chrono::steady_clock::time_point now{};
};

TEST_F(StallWatchTest, FindsAThreadThatDoesNothingWhileWorkWaits) {
  EXPECT_FALSE(look({true, 7, 10ms}, 1900ms));
  EXPECT_TRUE(look({true, 7, 10ms}, 300ms));
}

TEST_F(StallWatchTest, AnIdleThreadMayDoNothing) { EXPECT_FALSE(look({false, 7, 10ms}, 1h)); }

TEST_F(StallWatchTest, ALongSearchUsesTime) {
  SearchPulse pulse{true, 7, 10ms};
  for (int i = 0; i < 600; ++i) {
    pulse.cpu += 30ms;
    EXPECT_FALSE(look(pulse, 100ms));
  }
}

TEST_F(StallWatchTest, BatchesThatEndAreProgress) {
  SearchPulse pulse{true, 7, 10ms};
  for (int i = 0; i < 100; ++i) {
    ++pulse.batches;
    EXPECT_FALSE(look(pulse, 1s));
  }
}

TEST_F(StallWatchTest, AProcessThatWasStoppedAsAWholeIsNotHung) {
  const SearchPulse pulse{true, 7, 10ms};
  EXPECT_FALSE(look(pulse, 1s));
  now += 1h;  // SIGSTOP, SIGCONT
  EXPECT_FALSE(watch.look(pulse, now));
}

TEST_F(StallWatchTest, NewWorkForAnIdleThreadStartsTheClockAnew) {
  EXPECT_FALSE(look({false, 7, 10ms}, 10s));
  EXPECT_FALSE(look({true, 7, 10ms}, 1900ms));
}

}  // namespace
}  // namespace rookery::actors
