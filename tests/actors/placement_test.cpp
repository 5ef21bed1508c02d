#include "actors/placement.hpp"

#include <gtest/gtest.h>

namespace rookery::actors {
namespace {

Slot slot(std::int32_t shard, std::int32_t replica) { return {"main", "aa", shard, replica}; }

std::vector<Slot> slots(std::int32_t shards, std::int32_t replicas) {
  std::vector<Slot> list;
  for (int shard = 0; shard < shards; ++shard) {
    for (int replica = 0; replica < replicas; ++replica) list.push_back(slot(shard, replica));
  }
  return list;
}

AgentCapacity agent(const std::string& name, std::int32_t cores, const std::string& host) {
  return {name, cores, host};
}

const std::vector<AgentCapacity> kTwo = {agent("a", 2, "A"), agent("b", 2, "B")};

TEST(PlacementTest, PlacesNothingWithoutAgents) {
  EXPECT_TRUE(place({slots(2, 2), {}, {}}).empty());
}

TEST(PlacementTest, GivesEverythingToTheOnlyAgent) {
  const auto placement = place({slots(2, 2), {agent("a", 2, "A")}, {}});
  ASSERT_EQ(placement.size(), 4u);
  for (const auto& [slot, name] : placement) EXPECT_EQ(name, "a");
}

TEST(PlacementTest, KeepsTheReplicasOfAShardApart) {
  const auto placement = place({slots(3, 2), {agent("a", 1, "A"), agent("b", 8, "B")}, {}});
  for (int shard = 0; shard < 3; ++shard) {
    EXPECT_NE(placement.at(slot(shard, 0)), placement.at(slot(shard, 1))) << shard;
  }
}

TEST(PlacementTest, AnotherHostIsFurtherApartThanAnotherAgent) {
  // "b" is idle and on the host of "a"; "c" has more to do, but is elsewhere.
  const std::vector<AgentCapacity> agents = {agent("a", 1, "A"), agent("b", 8, "A"),
                                             agent("c", 1, "C")};
  Placement current{{slot(0, 0), "a"}, {slot(1, 0), "c"}, {slot(2, 0), "c"}};
  auto wanted = slots(3, 1);
  wanted.push_back(slot(0, 1));
  EXPECT_EQ(place({wanted, agents, current}).at(slot(0, 1)), "c");
}

TEST(PlacementTest, PrefersTheAgentWithFewerSlotsPerCore) {
  const auto placement = place({slots(4, 1), {agent("small", 1, "A"), agent("wide", 3, "B")}, {}});
  int wide = 0;
  for (const auto& [slot, name] : placement) wide += name == "wide";
  EXPECT_EQ(wide, 3);
}

TEST(PlacementTest, MovesNothingThatHasAPlace) {
  const auto first = place({slots(2, 2), {agent("a", 2, "A")}, {}});
  EXPECT_EQ(place({slots(2, 2), kTwo, first}), first);
}

TEST(PlacementTest, MovesOnlyTheSlotsOfAnAgentThatIsGone) {
  const auto first = place({slots(2, 2), kTwo, {}});
  const auto second = place({slots(2, 2), {kTwo[1]}, first});
  for (const auto& [slot, name] : second) EXPECT_EQ(name, "b");
  const auto third = place({slots(2, 2), {kTwo[1], agent("c", 2, "C")}, first});
  for (const auto& [slot, name] : first) {
    EXPECT_EQ(third.at(slot), name == "b" ? "b" : "c");
  }
}

TEST(PlacementTest, DropsSlotsThatAreWantedNoMore) {
  const std::vector<AgentCapacity> agents = {agent("a", 1, "A")};
  const auto placement = place({slots(1, 1), agents, place({slots(2, 2), agents, {}})});
  EXPECT_EQ(placement, (Placement{{slot(0, 0), "a"}}));
}

TEST(PlacementTest, AVolunteerTakesAsMuchAsItOffersAndNoMore) {
  auto volunteer = agent("v", 64, "V");
  volunteer.slots_max = 1;
  const auto placement = place({slots(3, 2), {agent("a", 1, "A"), volunteer}, {}});
  int given = 0;
  for (const auto& [slot, name] : placement) given += name == "v";
  EXPECT_EQ(given, 1);
  EXPECT_EQ(placement.size(), 6u);
  EXPECT_EQ(place({slots(2, 1), {volunteer}, {}}).size(), 1u) << "what nobody takes waits";
}

TEST(PlacementTest, ADrainedAgentKeepsWhatItHasAndTakesNothing) {
  auto agents = kTwo;
  const auto first = place({slots(1, 2), agents, {}});
  agents[0].open = false;
  const auto second = place({slots(2, 2), agents, first});
  EXPECT_EQ(second.at(slot(0, 0)), "a");
  EXPECT_EQ(second.at(slot(1, 0)), "b");
  EXPECT_EQ(second.at(slot(1, 1)), "b");
}

TEST(PlacementTest, ASlotNeverGoesToTheAgentItAvoids) {
  PlacementProblem problem{slots(1, 1), {kTwo[0]}, {}, {{slot(0, 0), "a"}}};
  EXPECT_TRUE(place(problem).empty());
  problem.agents = kTwo;
  EXPECT_EQ(place(problem).at(slot(0, 0)), "b");
}

TEST(PlacementTest, FindsAnotherPlaceForASlotOrNone) {
  const auto first = place({slots(1, 2), kTwo, {}});
  EXPECT_EQ(other_place({slots(1, 2), kTwo, first}, slot(0, 0)), "b");
  EXPECT_EQ(other_place({slots(1, 2), {kTwo[0]}, first}, slot(0, 0)), std::nullopt);
}

TEST(PlacementTest, MovesAReplicaToAHostThatJoinsAndThenRests) {
  auto placement = place({slots(2, 2), {kTwo[0]}, {}});
  int moves = 0;
  while (const auto move = move_apart({slots(2, 2), kTwo, placement}, "main")) {
    placement[move->first] = move->second;
    ASSERT_LE(++moves, 2);
  }
  EXPECT_EQ(moves, 2);
  for (int shard = 0; shard < 2; ++shard) {
    EXPECT_NE(placement.at(slot(shard, 0)), placement.at(slot(shard, 1)));
  }
  EXPECT_EQ(move_apart({slots(2, 2), kTwo, place({slots(2, 2), {kTwo[0]}, {}})}, "news"),
            std::nullopt)
      << "another index's replicas are not this one's to move";
}

TEST(PlacementTest, NothingMovesWhereItWouldHelpNobody) {
  const auto placement = place({slots(2, 3), kTwo, {}});
  EXPECT_EQ(move_apart({slots(2, 3), kTwo, placement}, "main"), std::nullopt);
}

TEST(PlacementTest, DividesTheCoresButGivesEveryNodeAtLeastOne) {
  EXPECT_EQ(thread_share(8, 2), 4);
  EXPECT_EQ(thread_share(2, 4), 1);
  EXPECT_EQ(thread_share(7, 2), 3);
}

}  // namespace
}  // namespace rookery::actors
