#include <gtest/gtest.h>

#include "actors/colony_plan.hpp"

namespace rookery::actors {
namespace {

using namespace std::chrono_literals;

class ColonyPlanTest : public ::testing::Test {
 protected:
  static WantedState wanted() {
    WantedState state;
    state.colony = "wiki";
    state.term = 4;
    WantedGeneration live{"7f3a", "/data/wiki/7f3a", retriever_pool::GenerationRole::kLive, 2, 2};
    state.indexes = {{.name = "main", .generations = {live}}};
    return state;
  }
  static NodeSpec node() { return {}; }
  static AgentHello hello(const std::string& agent) {
    return {kWireVersion, "wiki", agent, agent, 10, 2, 0};
  }
  TimePoint now{};
  ColonyPlan plan{wanted(), node(), {}, now};
};

TEST_F(ColonyPlanTest, GivesTheFirstAgentEverything) {
  EXPECT_FALSE(plan.replan(now)) << "nobody to give anything to";
  plan.agent_came(hello("a"), now);
  EXPECT_TRUE(plan.replan(now));
  const auto assignment = plan.assignment_of("a");
  EXPECT_EQ(assignment.term, 4u);
  ASSERT_EQ(assignment.nodes.size(), 4u);
  EXPECT_EQ(assignment.nodes[2].node, "node-3");
  EXPECT_EQ(assignment.nodes[2].shard, 1);
  EXPECT_EQ(assignment.nodes[2].snapshot, "/data/wiki/7f3a");
  EXPECT_FALSE(plan.replan(now)) << "nothing is left to do";
}

TEST_F(ColonyPlanTest, ALostAgentKeepsItsSlotsForAWhile) {
  plan.agent_came(hello("a"), now);
  plan.agent_came(hello("b"), now);
  plan.replan(now);
  const auto before = plan.wanted().placement;
  ASSERT_EQ(plan.assignment_of("a").nodes.size(), 2u);
  plan.agent_lost("a", now);
  EXPECT_FALSE(plan.replan(now + 9'999ms));
  EXPECT_EQ(plan.wanted().placement, before);
  EXPECT_TRUE(plan.replan(now + 10s));
  EXPECT_EQ(plan.assignment_of("b").nodes.size(), 4u);
}

TEST_F(ColonyPlanTest, SlotsStayWhereTheyAreWhenNobodyCouldTakeThem) {
  plan.agent_came(hello("a"), now);
  plan.replan(now);
  plan.agent_lost("a", now);
  EXPECT_FALSE(plan.replan(now + 1h));
  EXPECT_EQ(plan.assignment_of("a").nodes.size(), 4u);
}

TEST_F(ColonyPlanTest, ANewHeadWaitsForTheAgentsOfTheLastOne) {
  plan.agent_came(hello("a"), now);
  plan.agent_came(hello("b"), now);
  plan.replan(now);
  const auto before = plan.wanted().placement;
  // The next head reads the placement from disk; agent b is faster than a.
  ColonyPlan next(plan.wanted(), node(), {}, now);
  next.agent_came(hello("b"), now);
  EXPECT_FALSE(next.replan(now));
  EXPECT_EQ(next.wanted().placement, before);
  next.agent_came(hello("a"), now + 1s);
  EXPECT_FALSE(next.replan(now + 1h));
  EXPECT_EQ(next.wanted().placement, before);
}

TEST_F(ColonyPlanTest, TellsWhoIsConnectedAndHowMuchTheyRun) {
  plan.agent_came(hello("a"), now);
  plan.replan(now);
  plan.agent_lost("a", now);
  const auto agents = plan.agents();
  ASSERT_EQ(agents.size(), 1u);
  EXPECT_EQ(agents[0].slots, 4);
  EXPECT_FALSE(agents[0].connected);
}

}  // namespace
}  // namespace rookery::actors
