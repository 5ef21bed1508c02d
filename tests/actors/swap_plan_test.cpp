#include "actors/swap_plan.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <random>

#include "actors/retirement.hpp"
#include "tests/support/seed.hpp"

namespace rookery::actors {
namespace {

using namespace std::chrono_literals;
using Action = SwapPlan::Action;
using retriever_pool::GenerationRole;
using ::testing::HasSubstr;

const SwapPlan::Time kStart = SwapPlan::Time{} + 1h;
const SwapTarget kTarget{"main", "b", 0.5};

SwapSight sight(bool wanted, bool complete, GenerationRole role = GenerationRole::kPreparing) {
  return {wanted, role, complete, ""};
}

TEST(SwapPlanTest, GoesThroughItsPhasesToTheSwitch) {
  SwapPlan plan(kTarget, {}, kStart);
  EXPECT_EQ(plan.step(sight(false, false), kStart), Action::kAdd);
  EXPECT_EQ(to_string(plan.phase()), "prepare");
  EXPECT_EQ(plan.step(sight(true, false), kStart), Action::kWait);
  EXPECT_EQ(to_string(plan.phase()), "load");
  EXPECT_EQ(plan.step(sight(true, true), kStart + 9min), Action::kWarmUp);
  EXPECT_EQ(to_string(plan.phase()), "warm");
  plan.warmed(kStart + 10min);
  EXPECT_EQ(plan.step(sight(true, true), kStart + 10min), Action::kCompare);
  EXPECT_EQ(to_string(plan.phase()), "compare");
  plan.compared(0.75, kStart + 10min);
  EXPECT_EQ(plan.step(sight(true, false), kStart + 10min), Action::kWait) << "a replica was lost";
  EXPECT_EQ(plan.step(sight(true, true), kStart + 10min), Action::kMakeLive);
  EXPECT_EQ(to_string(plan.phase()), "switch");
  EXPECT_FALSE(plan.over());
  EXPECT_EQ(plan.step(sight(true, true, GenerationRole::kLive), kStart + 10min), Action::kWait);
  EXPECT_EQ(plan.phase(), SwapPhase::kDone);
  EXPECT_TRUE(plan.over());
  plan.fail("too late", kStart + 11min);
  EXPECT_EQ(plan.phase(), SwapPhase::kDone);
}

TEST(SwapPlanTest, ALowRecallIsRolledBackWithFigureMinimumAndRemedy) {
  for (const std::optional<double> recall : {std::optional<double>(0.4), std::optional<double>()}) {
    SwapPlan plan(kTarget, {}, kStart);
    (void)plan.step(sight(true, true), kStart);
    plan.warmed(kStart);
    plan.compared(recall, kStart);
    EXPECT_EQ(plan.phase(), SwapPhase::kRollingBack);
    if (recall) {
      EXPECT_EQ(plan.reason(),
                "it gives 0.4 of the live generation's answers, expected at least 0.5; to swap all "
                "the same, give --recall-min at most 0.4");
    } else {
      EXPECT_THAT(plan.reason(), HasSubstr("could not be compared"));
    }
    EXPECT_EQ(plan.step(sight(true, true), kStart), Action::kRemove);
    EXPECT_EQ(plan.step(sight(false, false), kStart), Action::kWait);
    EXPECT_EQ(plan.phase(), SwapPhase::kRolledBack);
  }
  SwapPlan anything({"main", "b", 0}, {}, kStart);
  (void)anything.step(sight(true, true), kStart);
  anything.warmed(kStart);
  anything.compared(std::nullopt, kStart);
  EXPECT_EQ(anything.phase(), SwapPhase::kSwitch);
}

TEST(SwapPlanTest, ANodeThatCannotLoadEndsTheSwapWithItsWords) {
  SwapPlan plan(kTarget, {}, kStart);
  (void)plan.step(sight(true, false), kStart);
  auto broken = sight(true, false);
  broken.trouble = "node-b-1: shard-1/vectors: block 3 does not match";
  EXPECT_EQ(plan.step(broken, kStart), Action::kRemove);
  EXPECT_EQ(plan.reason(), broken.trouble);
}

TEST(SwapPlanTest, EveryPhaseHasItsTime) {
  SwapPlan plan(kTarget, {}, kStart);
  EXPECT_EQ(plan.step(sight(false, false), kStart + 10s), Action::kWait);
  EXPECT_EQ(plan.phase(), SwapPhase::kRolledBack);
  EXPECT_EQ(plan.reason(), "the colony did not take the new generation within 10000 ms");
  SwapPlan loading(kTarget, {}, kStart);
  (void)loading.step(sight(true, false), kStart);
  EXPECT_EQ(loading.step(sight(true, false), kStart + 10min), Action::kRemove);
  SwapPlan warming(kTarget, {}, kStart);
  (void)warming.step(sight(true, true), kStart);
  EXPECT_EQ(warming.step(sight(true, true), kStart + 2min), Action::kRemove);
}

TEST(SwapPlanTest, ARetiredGenerationThatCouldNotComeBackStaysRetired) {
  SwapPlan plan(kTarget, {}, kStart);
  (void)plan.step(sight(true, true, GenerationRole::kRetired), kStart);
  plan.fail("nobody wants it", kStart);
  EXPECT_EQ(plan.step(sight(true, true, GenerationRole::kRetired), kStart), Action::kWait);
  EXPECT_EQ(plan.phase(), SwapPhase::kRolledBack);
}

/// A colony as the wanted state has it: orders take effect late, or never.
struct ModelColony {
  std::map<std::string, GenerationRole> wanted = {{"a", GenerationRole::kLive}};
  std::map<std::string, bool> complete = {{"a", true}};
  void make_live(const std::string& generation) {
    if (!wanted.contains(generation)) return;
    for (auto& [name, role] : wanted) {
      if (role == GenerationRole::kLive) role = GenerationRole::kRetired;
    }
    wanted[generation] = GenerationRole::kLive;
  }
  void remove(const std::string& generation) {
    if (wanted.contains(generation) && wanted[generation] != GenerationRole::kLive) {
      wanted.erase(generation);
    }
  }
  [[nodiscard]] std::string live() const {
    std::string found;
    for (const auto& [name, role] : wanted) {
      if (role != GenerationRole::kLive) continue;
      EXPECT_EQ(found, "") << "two live ones";
      found = name;
    }
    return found;
  }
};

TEST(SwapPlanTest, WhateverHappensThereIsOneLiveGenerationAndNothingHalfIsLeft) {
  for (std::uint64_t walk = 0; walk < 400; ++walk) {
    std::mt19937_64 random(rookery::testing::seed() + walk);
    const auto chance = [&](unsigned percent) { return random() % 100 < percent; };
    ModelColony colony;
    std::vector<std::function<void()>> late;  // orders on their way
    auto now = kStart;
    auto plan = std::make_unique<SwapPlan>(kTarget, SwapTimes{10s, 60s, 30s, 20s}, now);
    bool crashed = false, compared_low = false;
    const unsigned crash_chance = walk % 2 == 0 ? 3 : 0;
    for (int step = 0; step < 2000 && plan && !plan->over(); ++step) {
      now += std::chrono::milliseconds(random() % 1000);
      const auto found = colony.wanted.find("b");
      SwapSight now_seen;
      now_seen.wanted = found != colony.wanted.end();
      if (now_seen.wanted) now_seen.role = found->second;
      now_seen.complete = now_seen.wanted && colony.complete["b"];
      if (now_seen.wanted && chance(1)) now_seen.trouble = "it cannot load";
      switch (plan->step(now_seen, now)) {
        case Action::kAdd:
          if (chance(70))
            late.push_back([&] { colony.wanted.try_emplace("b", GenerationRole::kPreparing); });
          break;
        case Action::kWarmUp:
          chance(5) ? plan->fail("no answer", now) : plan->warmed(now);
          break;
        case Action::kCompare:
          compared_low = chance(20);
          plan->compared(compared_low ? 0.2 : 0.9, now);
          break;
        case Action::kMakeLive:
          EXPECT_FALSE(compared_low);
          EXPECT_TRUE(colony.complete["b"]);
          if (chance(50)) late.push_back([&] { colony.make_live("b"); });
          break;
        case Action::kRemove:
          if (chance(70)) late.push_back([&] { colony.remove("b"); });
          break;
        case Action::kWait:
          break;
      }
      while (!late.empty() && chance(60)) {
        late.front()();
        late.erase(late.begin());
      }
      if (chance(20)) colony.complete["b"] = true;
      if (chance(5)) colony.complete["b"] = false;
      ASSERT_NE(colony.live(), "") << "walk " << walk;
      if (chance(crash_chance)) {
        // The head ends, and the orders that nobody took with it; the next one reads what is
        // wanted.
        late.clear();
        plan.reset();
        crashed = true;
        std::vector<GenerationState> states;
        for (const auto& [name, role] : colony.wanted) states.push_back({name, role});
        for (const auto& name : left_by_a_crash(states)) colony.remove(name);
      }
    }
    for (const auto& order : late) order();
    const std::string live = colony.live();
    ASSERT_NE(live, "");
    if (!crashed) {
      ASSERT_TRUE(plan->over()) << "walk " << walk << ": " << to_string(plan->phase());
      ASSERT_EQ(live, plan->phase() == SwapPhase::kDone ? "b" : "a") << "walk " << walk;
      ASSERT_EQ(plan->reason().empty(), plan->phase() == SwapPhase::kDone);
    }
    for (const auto& [name, role] : colony.wanted) {
      ASSERT_NE(role, GenerationRole::kPreparing) << "walk " << walk;
    }
  }
}

TEST(RetirementTest, TheNewestStaysForAWhileAndALeasedOneAsLongAsItIsLeased) {
  Retirement retirement(30s);
  using Keys = std::vector<std::pair<std::string, std::string>>;
  const auto due = [&](std::vector<RetiredSight> retired, std::chrono::seconds after) {
    return retirement.due(retired, kStart + after);
  };
  EXPECT_EQ(due({{"main", "a"}}, 0s), Keys{});
  EXPECT_EQ(due({{"main", "a"}}, 29s), Keys{});
  EXPECT_EQ(due({{"main", "a", true}}, 31s), Keys{}) << "leased";
  EXPECT_EQ(due({{"main", "a", false, true}}, 31s), Keys{}) << "a swap goes back to it";
  EXPECT_EQ(due({{"main", "a"}}, 31s), (Keys{{"main", "a"}}));
  EXPECT_EQ(due({}, 32s), Keys{});
  EXPECT_EQ(due({{"main", "a"}}, 40s), Keys{}) << "retired once more";
  EXPECT_EQ(due({{"main", "a"}, {"main", "b"}, {"news", "a"}}, 41s), (Keys{{"main", "a"}}))
      << "only the newest of an index waits";
}

}  // namespace
}  // namespace rookery::actors
