#include "actors/colony_autoscale.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

namespace rookery::actors {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

/// One index of two shards on one big agent; the nodes do what the plan wants at once.
class ColonyAutoscaleTest : public ::testing::Test {
 protected:
  ColonyAutoscaleTest() {
    plan.agent_came({kWireVersion, "c", "a", "h", 1, 8, 0}, now);
    plan.replan(now);
  }
  static WantedState wanted() {
    WantedState state;
    state.colony = "c";
    state.term = 1;
    WantedIndex index;
    index.name = "main";
    WantedGeneration live;
    live.generation = "g";
    live.role = retriever_pool::GenerationRole::kLive;
    live.shards = 2;
    live.replicas = 1;
    index.generations = {live};
    state.indexes = {index};
    return state;
  }
  /// Every node is ready and its requests wait so long; only node-1's in front of `wait_of_others`.
  NodeStates states(std::int64_t wait_us) const {
    NodeStates all;
    for (const auto& [slot, node] : plan.wanted().nodes) {
      all[slot].ready = all[slot].serving = true;
      all[slot].run = node.run;
      all[slot].queue_wait_us = node.number == 1 ? wait_us : 0;
    }
    return all;
  }
  /// A second of beats at this wait.
  void pass(std::int64_t wait_us, std::chrono::seconds time) {
    for (const auto end = now + time; now < end; now += 200ms) {
      const auto seen = states(wait_us);
      plan.advance(seen, now);
      autoscale.step(plan, seen, now);
      plan.replan(now);
    }
  }
  std::int32_t replicas() const { return plan.wanted().indexes.front().live()->replicas; }

  TimePoint now = TimePoint(1h);
  ColonyPlan plan{wanted(), {}, {}, TimePoint{}};
  ColonyAutoscale autoscale{{1, 3, 20ms, 5s, 60s}};
};

TEST_F(ColonyAutoscaleTest, OneBusyNodeBringsReplicasUpToTheLimitAndTheOperationSaysWhy) {
  pass(35'000, 4s);
  EXPECT_EQ(replicas(), 1);
  pass(35'000, 2s);
  EXPECT_EQ(replicas(), 2);
  ASSERT_FALSE(plan.wanted().operations.empty());
  const auto& operation = plan.wanted().operations.back();
  EXPECT_EQ(operation.action, "scale");
  EXPECT_THAT(operation.text, HasSubstr("requests wait 35.0 ms at the busiest node, up to 20 ms"));
  pass(35'000, 60s);
  EXPECT_EQ(replicas(), 3);
  EXPECT_EQ(plan.wanted().operations.back().state, "done");
  EXPECT_THAT(plan.wanted().operations.back().text, HasSubstr("autoscale: "));
  pass(0, 70s);
  EXPECT_EQ(replicas(), 2);
}

TEST_F(ColonyAutoscaleTest, WaitsWhileAReplicaIsMissingOrTheIndexIsBeingChanged) {
  for (const auto end = now + 30s; now < end; now += 200ms) {
    auto seen = states(90'000);
    seen.begin()->second.ready = false;
    EXPECT_FALSE(autoscale.step(plan, seen, now));
  }
  const auto id = plan.begin_operation("swap", "main");
  pass(90'000, 30s);
  EXPECT_EQ(replicas(), 1);
  plan.report({id, "swap", "main", {}, {}, "done", 0, 0, {}, {}});
  pass(90'000, 6s);
  EXPECT_EQ(replicas(), 2);
}

TEST_F(ColonyAutoscaleTest, IsOffUnlessThereIsALimit) {
  autoscale = ColonyAutoscale({});
  pass(900'000, 600s);
  EXPECT_EQ(replicas(), 1);
  EXPECT_TRUE(plan.wanted().operations.empty());
}

}  // namespace
}  // namespace rookery::actors
