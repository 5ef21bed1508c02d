#include "actors/autoscaler.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "tests/support/seed.hpp"

namespace rookery::actors {
namespace {

using namespace std::chrono_literals;

constexpr std::int64_t kBad = 30'000, kGood = 1'000, kBetween = 12'000;  // µs; the limit is 20 ms

class AutoscalerTest : public ::testing::Test {
 protected:
  static AutoscaleOptions options() {
    AutoscaleOptions result;
    result.replicas_min = 1;
    result.replicas_max = 3;
    return result;
  }
  /// Shows the same wait for so long, a look a second, and follows what is said.
  void hold(std::int64_t queue_wait_us, std::chrono::seconds time) {
    for (const auto end = now + time; now < end; now += 1s) {
      if (const auto wanted = scaler.step(queue_wait_us, replicas, true, now)) {
        replicas = *wanted;
        ++changes;
      }
    }
  }
  TimePoint now{};
  Autoscaler scaler{options()};
  std::int32_t replicas = 1;
  int changes = 0;
};

TEST_F(AutoscalerTest, AddsAReplicaWhenTheWaitIsBadForAWhile) {
  hold(kBad, 5s);
  EXPECT_EQ(replicas, 1) << "not at once";
  hold(kBad, 2s);
  EXPECT_EQ(replicas, 2);
  hold(kBad, 60s);
  EXPECT_EQ(replicas, 3) << "and never beyond the maximum";
}

TEST_F(AutoscalerTest, APeakIsNoReason) {
  for (int i = 0; i < 20; ++i) {
    hold(kBad, 4s);
    hold(kBetween, 1s);
  }
  EXPECT_EQ(replicas, 1);
}

TEST_F(AutoscalerTest, TakesAReplicaAwayMuchLater) {
  replicas = 3;
  hold(kGood, 119s);
  EXPECT_EQ(replicas, 3);
  hold(kGood, 3s);
  EXPECT_EQ(replicas, 2);
  hold(kBetween, 3600s);
  EXPECT_EQ(replicas, 2) << "well enough is no reason to take one away";
}

TEST_F(AutoscalerTest, IsOffByDefault) {
  scaler = Autoscaler({});
  hold(kBad, 3600s);
  EXPECT_EQ(changes, 0);
}

TEST_F(AutoscalerTest, WaitsWhileReplicasComeOrGo) {
  for (int i = 0; i < 100; ++i, now += 1s) {
    EXPECT_EQ(scaler.step(kBad, 1, false, now), std::nullopt);
  }
  EXPECT_EQ(scaler.step(kBad, 1, true, now), std::nullopt) << "what was then does not count";
}

TEST_F(AutoscalerTest, BringsAnIndexIntoItsBounds) {
  EXPECT_EQ(scaler.step(kBetween, 5, true, now), 3);
}

/// A queue of `replicas` servers under a load of so many of them: the wait rises steeply near 1.
std::int64_t wait_of(double load, std::int32_t replicas) {
  const double share = std::min(load / replicas, 0.99);
  return static_cast<std::int64_t>(2'000 * share / (1 - share));
}

TEST_F(AutoscalerTest, ComesToRestUnderASteadyLoadWhateverItIs) {
  std::mt19937_64 random(testing::seed());
  for (int round = 0; round < 200; ++round) {
    const double load = std::uniform_real_distribution<double>(0.05, 2.9)(random);
    scaler = Autoscaler(options());
    replicas = std::uniform_int_distribution<std::int32_t>(1, 3)(random);
    changes = 0;
    for (int second = 0; second < 7'200; ++second, now += 1s) {
      const double noise = std::uniform_real_distribution<double>(0.9, 1.1)(random);
      const auto wait = wait_of(load * noise, replicas);
      if (const auto wanted = scaler.step(wait, replicas, true, now)) {
        replicas = *wanted;
        ++changes;
      }
    }
    // Two steps to where it belongs, and attempts with one less after 2, 4, 8, 16, 32 minutes.
    EXPECT_LE(changes, 12) << "load " << load << ", round " << round;
  }
}

}  // namespace
}  // namespace rookery::actors
