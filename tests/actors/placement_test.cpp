#include "actors/placement.hpp"

#include <gtest/gtest.h>

namespace rookery::actors {
namespace {

TEST(PlacementTest, NamesNodesFromOneWithTheReplicasOfAShardBesideEachOther) {
  EXPECT_EQ(node_name({0, 0}, 2), "node-1");
  EXPECT_EQ(node_name({0, 1}, 2), "node-2");
  EXPECT_EQ(node_name({1, 0}, 2), "node-3");
}

TEST(PlacementTest, PlacesNothingWithoutAgents) { EXPECT_TRUE(place(2, 2, {}, {}).empty()); }

TEST(PlacementTest, GivesEverythingToTheOnlyAgent) {
  const auto placement = place(2, 2, {{"a", 2}}, {});
  ASSERT_EQ(placement.size(), 4u);
  for (const auto& [slot, agent] : placement) EXPECT_EQ(agent, "a");
}

TEST(PlacementTest, KeepsTheReplicasOfAShardApart) {
  const auto placement = place(3, 2, {{"a", 1}, {"b", 8}}, {});
  for (int shard = 0; shard < 3; ++shard) {
    EXPECT_NE(placement.at({shard, 0}), placement.at({shard, 1})) << shard;
  }
}

TEST(PlacementTest, PrefersTheAgentWithFewerSlotsPerCore) {
  const auto placement = place(4, 1, {{"small", 1}, {"wide", 3}}, {});
  int wide = 0;
  for (const auto& [slot, agent] : placement) wide += agent == "wide";
  EXPECT_EQ(wide, 3);
}

TEST(PlacementTest, MovesNothingThatHasAPlace) {
  const auto first = place(2, 2, {{"a", 2}}, {});
  EXPECT_EQ(place(2, 2, {{"a", 2}, {"b", 2}}, first), first);
}

TEST(PlacementTest, MovesOnlyTheSlotsOfAnAgentThatIsGone) {
  const auto first = place(2, 2, {{"a", 2}, {"b", 2}}, {});
  const auto second = place(2, 2, {{"b", 2}}, first);
  for (const auto& [slot, agent] : second) EXPECT_EQ(agent, "b");
  const auto third = place(2, 2, {{"b", 2}, {"c", 2}}, first);
  for (const auto& [slot, agent] : first) {
    EXPECT_EQ(third.at(slot), agent == "b" ? "b" : "c");
  }
}

TEST(PlacementTest, DropsSlotsThatAreWantedNoMore) {
  const auto placement = place(1, 1, {{"a", 1}}, place(2, 2, {{"a", 1}}, {}));
  EXPECT_EQ(placement, (Placement{{{0, 0}, "a"}}));
}

TEST(PlacementTest, DividesTheCoresButGivesEveryNodeAtLeastOne) {
  EXPECT_EQ(thread_share(8, 2), 4);
  EXPECT_EQ(thread_share(2, 4), 1);
  EXPECT_EQ(thread_share(7, 2), 3);
}

}  // namespace
}  // namespace rookery::actors
