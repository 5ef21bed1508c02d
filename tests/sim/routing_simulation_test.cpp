#include "routing_simulation.hpp"

#include <gtest/gtest.h>

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

}  // namespace
}  // namespace rookery::retriever_pool::testing
