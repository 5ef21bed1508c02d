#include "routing_simulation.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <string>

namespace rookery::retriever_pool::testing {
namespace {

/// `ROOKERY_SIM_SEEDS` seeds, else 200; or the one of `ROOKERY_SIM_SEED` alone, to replay it.
struct Seeds {
  std::uint64_t first = 1, last = 200;
  Seeds() {
    if (const char* count = std::getenv("ROOKERY_SIM_SEEDS")) last = std::stoull(count);
    if (const char* one = std::getenv("ROOKERY_SIM_SEED")) first = last = std::stoull(one);
  }
};

std::string told(const SimulationPlan& plan, const SimulationReport& report) {
  std::string text = "replay with ROOKERY_SIM_SEED=" + std::to_string(plan.seed);
  for (const std::string& lie : report.lies) text += "\n" + lie;
  return text;
}

TEST(RoutingSimulationTest, EveryCallEndsOnceInTimeWithTheRightAnswerOrAnError) {
  const Seeds seeds;
  for (std::uint64_t seed = seeds.first; seed <= seeds.last; ++seed) {
    SimulationPlan plan;
    plan.seed = seed;
    plan.shards = 1 + static_cast<std::int32_t>(seed % 3);
    plan.replicas = 2 + static_cast<std::int32_t>(seed % 2);
    plan.calls = 1500;
    plan.swap = seed % 4 == 0;
    const SimulationReport report = simulate(plan);
    EXPECT_TRUE(report.lies.empty()) << told(plan, report);
    EXPECT_LT(report.last_error_s, 3) << told(plan, report);
  }
}

TEST(RoutingSimulationTest, InCalmWeatherNothingFails) {
  const Seeds seeds;
  for (std::uint64_t seed = seeds.first; seed <= seeds.last; seed += 10) {
    SimulationPlan plan;
    plan.seed = seed;
    plan.faults = false;
    const SimulationReport report = simulate(plan);
    EXPECT_TRUE(report.lies.empty()) << told(plan, report);
    EXPECT_EQ(report.errors, 0) << told(plan, report);
  }
}

TEST(RoutingSimulationTest, ASwizzleClogStartsNoStorm) {
  const Seeds seeds;
  double attempts = 0, wanted = 0;
  for (std::uint64_t seed = seeds.first; seed <= seeds.last; seed += 4) {
    SimulationPlan plan;
    plan.seed = seed;
    plan.swizzle = true;
    plan.calls = 1500;
    const SimulationReport report = simulate(plan);
    EXPECT_TRUE(report.lies.empty()) << told(plan, report);
    EXPECT_LT(report.last_error_s, 3) << told(plan, report);
    attempts += static_cast<double>(report.attempts);
    wanted += static_cast<double>(report.begun * plan.shards);
  }
  EXPECT_LE(attempts, 1.2 * wanted);
}

SimulationReport with_loss(double loss, std::chrono::milliseconds retransmission) {
  SimulationPlan plan;
  plan.replicas = 2;
  plan.calls = 10'000;
  plan.calls_per_s = 75;
  plan.faults = false;
  plan.delay = std::chrono::milliseconds(20);
  plan.jitter = std::chrono::milliseconds(10);
  plan.query_segments = 3;
  plan.loss = loss;
  plan.retransmission = retransmission;
  const SimulationReport report = simulate(plan);
  EXPECT_TRUE(report.lies.empty()) << told(plan, report);
  EXPECT_EQ(report.errors, 0);
  return report;
}

TEST(RoutingSimulationTest, LinksThatPauseForLostSegmentsKeepTheirReplicasInUse) {
  using namespace std::chrono_literals;
  const auto sound = with_loss(0, 200ms);
  // As TCP repairs a loss when more follows on the link: one and a quarter round trip, and the gap.
  EXPECT_LE(with_loss(0.01, 75ms).percentile(0.99), 2 * sound.percentile(0.99));
  // Its timer alone: four of ten calls meet a pause, copies are one in twenty; half must not.
  EXPECT_LE(with_loss(0.01, 200ms).percentile(0.5), 1.3 * sound.percentile(0.5));
}

}  // namespace
}  // namespace rookery::retriever_pool::testing
