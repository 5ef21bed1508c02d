#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "retriever_pool/hedge_budget.hpp"
#include "retriever_pool/latency_window.hpp"
#include "retriever_pool/outlier_detector.hpp"
#include "retriever_pool/retry_budget.hpp"
#include "retriever_pool/shard_pace.hpp"
#include "tests/support/seed.hpp"

namespace rookery::retriever_pool {
namespace {

using namespace std::chrono_literals;
using State = OutlierDetector::State;
using Time = OutlierDetector::Time;

const Time kStart = Time{} + 1h;

TEST(HedgeBudgetTest, CopiesAreAtMostTheShareOfTheQueriesAndABurst) {
  HedgeBudget budget(0.05);
  int copies = 0;
  constexpr int kQueries = 10'000;
  for (int i = 0; i < kQueries; ++i) {
    budget.query();
    if (!budget.may_hedge()) continue;
    budget.spend();
    ++copies;
  }
  EXPECT_LE(copies, 0.05 * kQueries + HedgeBudget::kBurst);
  EXPECT_GE(copies, 0.05 * kQueries);
  // What is left is for a probe.
  EXPECT_TRUE(budget.may_probe());
}

TEST(HedgeBudgetTest, WithoutAShareThereAreNoCopies) {
  HedgeBudget budget(0);
  for (int i = 0; i < 1000; ++i) budget.query();
  EXPECT_FALSE(budget.may_hedge());
  EXPECT_FALSE(budget.may_probe());
}

TEST(RetryBudgetTest, IsOffBelowHalfAndComesBackWithSuccesses) {
  RetryBudget budget;
  for (int i = 0; i < 4; ++i) budget.failure();
  EXPECT_TRUE(budget.may_retry());
  budget.failure();
  EXPECT_FALSE(budget.may_retry());
  budget.success();
  EXPECT_TRUE(budget.may_retry());
  for (int i = 0; i < 100; ++i) budget.failure();
  for (int i = 0; i < 50; ++i) budget.success();
  EXPECT_FALSE(budget.may_retry());
  for (int i = 0; i < 2; ++i) budget.success();
  EXPECT_TRUE(budget.may_retry());
}

TEST(LatencyWindowTest, KnowsTheTailOfTheLastCalls) {
  std::mt19937_64 random(rookery::testing::seed());
  LatencyWindow window;
  std::vector<double> all;
  EXPECT_FALSE(window.p95());
  for (int i = 0; i < 2000; ++i) {
    all.push_back(std::generate_canonical<double, 53>(random) * (i < 1000 ? 1 : 3));
    window.record(all.back());
    if (all.size() < LatencyWindow::kCallsMin || all.size() % 16 != 0) continue;
    const std::size_t count = std::min(all.size(), LatencyWindow::kCalls);
    std::vector<double> last(all.end() - static_cast<std::ptrdiff_t>(count), all.end());
    std::sort(last.begin(), last.end());
    const auto rank = static_cast<std::size_t>(std::ceil(0.95 * static_cast<double>(count)));
    ASSERT_FLOAT_EQ(static_cast<float>(*window.p95()), static_cast<float>(last[rank - 1]));
  }
}

TEST(ShardPaceTest, JudgesEveryQueryBesideItsLikes) {
  ShardPace pace;
  EXPECT_DOUBLE_EQ(pace.relative(1, 77ms), 1.0);
  EXPECT_FALSE(pace.p95(1));
  for (int i = 0; i < 200; ++i) {
    pace.record(1, 1ms);
    pace.record(64, 40ms);
  }
  EXPECT_NEAR(pace.relative(1, 3ms), 3.0, 1e-6);
  EXPECT_NEAR(pace.relative(64, 40ms), 1.0, 1e-6);
  EXPECT_NEAR(static_cast<double>(pace.p95(1)->count()), 1000, 1);
  EXPECT_NEAR(static_cast<double>(pace.p95(64)->count()), 40'000, 1);
  EXPECT_EQ(pace.p95_of_slowest(), pace.p95(64));
  EXPECT_FALSE(pace.p95(7));  // never seen
}

TEST(ShardPaceTest, RemembersABoundedNumberOfClasses) {
  ShardPace pace;
  for (std::uint32_t work = 1; work <= 3000; ++work) pace.record(work, 1ms);
  EXPECT_DOUBLE_EQ(pace.relative(2500, 5ms), pace.relative(2999, 5ms));
}

TEST(OutlierDetectorTest, ThreeFailuresInARowEject) {
  OutlierDetector outlier;
  EXPECT_FALSE(outlier.failed(kStart));
  EXPECT_FALSE(outlier.failed(kStart));
  outlier.answered(1, 1.0, kStart);
  EXPECT_FALSE(outlier.failed(kStart));
  EXPECT_FALSE(outlier.failed(kStart));
  EXPECT_TRUE(outlier.failed(kStart));
  EXPECT_EQ(outlier.state(kStart), State::kEjected);
  EXPECT_FALSE(outlier.probe_due(kStart + 999ms));
  EXPECT_EQ(outlier.state(kStart + 1s), State::kProbation);
  EXPECT_TRUE(outlier.probe_due(kStart + 1s));
  outlier.probe_sent(kStart + 1s);
  EXPECT_FALSE(outlier.probe_due(kStart + 1999ms));
  EXPECT_TRUE(outlier.probe_due(kStart + 2s));
  outlier.answered(1, 1.0, kStart + 2s);
  EXPECT_EQ(outlier.state(kStart + 2s), State::kProbation);
  outlier.answered(1, 1.0, kStart + 2s);
  EXPECT_EQ(outlier.state(kStart + 2s), State::kIn);
}

TEST(OutlierDetectorTest, TheSlowAreEjectedBesideTheirPeersAndPingsDoNotBringThemBack) {
  OutlierDetector outlier;
  for (int i = 0; i < 19; ++i) EXPECT_FALSE(outlier.answered(10, 1.0, kStart));
  EXPECT_TRUE(outlier.answered(10, 1.0, kStart));
  for (int i = 0; i < 9; ++i) outlier.ponged(kStart + 2s);
  EXPECT_EQ(outlier.state(kStart + 2s), State::kProbation);
  EXPECT_FALSE(outlier.answered(10, 1.0, kStart + 2s));        // once can happen to anyone
  EXPECT_TRUE(outlier.answered(10, 1.0, kStart + 2s));         // still slow
  EXPECT_EQ(outlier.state(kStart + 3999ms), State::kEjected);  // for twice as long
  EXPECT_EQ(outlier.state(kStart + 4s), State::kProbation);
}

TEST(OutlierDetectorTest, ALinkThatPausesAndGoesOnIsNoSlowReplica) {
  OutlierDetector outlier;
  for (int i = 0; i < 200; ++i) {
    EXPECT_FALSE(outlier.answered(i % 20 < 15 ? 10 : 1, 1.0, kStart)) << i;
  }
  outlier.silent(kStart);
  EXPECT_FALSE(outlier.answered(10, 1.0, kStart));
  outlier.answered(1, 1.0, kStart);
  outlier.answered(1, 1.0, kStart);
  EXPECT_EQ(outlier.state(kStart), State::kIn);
}

TEST(OutlierDetectorTest, WhereAllAreSlowOrAloneNobodyIsAnOutlier) {
  OutlierDetector outlier;
  for (int i = 0; i < 100; ++i) {
    EXPECT_FALSE(outlier.answered(10, 9.0, kStart));
    EXPECT_FALSE(outlier.answered(10, std::nullopt, kStart));
  }
}

TEST(OutlierDetectorTest, EjectionsGrowToHalfAMinuteAndAreForgiven) {
  OutlierDetector outlier;
  Time now = kStart;
  const auto ejection = [&] {
    while (!outlier.failed(now)) {
    }
    const Time begin = now;
    while (outlier.state(now) == State::kEjected) now += 500ms;
    return now - begin;
  };
  for (const auto expected : {1s, 2s, 4s, 8s, 16s, 30s, 30s}) EXPECT_EQ(ejection(), expected);
  for (int i = 0; i < 2; ++i) outlier.answered(1, 1.0, now);
  now += 1h;
  EXPECT_EQ(ejection(), 1s);
}

TEST(OutlierDetectorTest, TheSilentAndTheReturnedAreOnProbationUntilTheyAnswer) {
  OutlierDetector outlier;
  outlier.silent(kStart);
  EXPECT_EQ(outlier.state(kStart), State::kProbation);
  outlier.ponged(kStart);
  EXPECT_EQ(outlier.state(kStart), State::kProbation);
  outlier.ponged(kStart + 250ms);
  EXPECT_EQ(outlier.state(kStart + 250ms), State::kIn);
  outlier.reconnected(kStart + 1s);
  EXPECT_EQ(outlier.state(kStart + 1s), State::kProbation);
  outlier.ponged(kStart + 1s);
  EXPECT_EQ(outlier.state(kStart + 1s), State::kIn);
}

}  // namespace
}  // namespace rookery::retriever_pool
