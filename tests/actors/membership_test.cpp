#include "actors/membership.hpp"

#include <gtest/gtest.h>

namespace rookery::actors {
namespace {

using namespace std::chrono_literals;
using retriever_pool::ReplicaState;

constexpr auto kReady = static_cast<std::uint8_t>(ReplicaState::kReady);
constexpr auto kLoading = static_cast<std::uint8_t>(ReplicaState::kLoading);

retriever_pool::RoutingView wanted_view() {
  retriever_pool::RoutingView view;
  view.colony = "wiki";
  view.term = 3;
  view.generations = {{"main", {}, 2, 2, {}, ""}};
  view.generations.front().index.generation = "7f3a";
  return view;
}

class MembershipTest : public ::testing::Test {
 protected:
  static NodeHello hello(std::int32_t shard, std::int32_t replica, std::uint8_t state = kReady) {
    NodeHello result;
    result.colony = "wiki";
    result.node = "node-" + std::to_string(shard * 2 + replica + 1);
    result.shard = shard;
    result.replica = replica;
    result.host = "host";
    result.pid = 100 + shard * 2 + replica;
    result.generation = "7f3a";
    result.state = state;
    result.endpoint = state == kReady ? "tcp://127.0.0.1:" + std::to_string(result.pid) : "";
    return result;
  }
  void join_all() {
    for (int shard = 0; shard < 2; ++shard) {
      for (int replica = 0; replica < 2; ++replica) {
        ASSERT_EQ(membership.join(hello(shard, replica)), std::nullopt);
      }
    }
  }
  const retriever_pool::ReplicaView& member(std::int32_t shard, std::int32_t replica) {
    return membership.members().at({"main", "7f3a", shard, replica}).view;
  }
  TimePoint now{};
  Membership membership{wanted_view(), {}, now};
};

TEST_F(MembershipTest, ListsEveryWantedReplicaBeforeAnyoneHasCome) {
  const auto& view = membership.view();
  ASSERT_EQ(view.members.size(), 4u);
  EXPECT_EQ(view.members[3].node, "node-4");
  EXPECT_EQ(view.members[3].state, ReplicaState::kJoining);
  EXPECT_FALSE(view.serves_all_shards());
}

TEST_F(MembershipTest, IsCompleteWhenAllAreReady) {
  join_all();
  EXPECT_TRUE(membership.view().complete());
  EXPECT_EQ(membership.view().term, 3u);
}

TEST_F(MembershipTest, TheEpochRisesWithWhatClientsActOnAndNotWithLoad) {
  membership.join(hello(0, 0, kLoading));
  const auto loading = membership.view().epoch;
  membership.join(hello(0, 0, kLoading));
  EXPECT_EQ(membership.view().epoch, loading) << "the same hello again";
  NodeReport report{"node-1", 100, kReady, "tcp://127.0.0.1:9", 0, 0, 0, 0};
  EXPECT_EQ(membership.report(report), std::nullopt);
  const auto ready = membership.view().epoch;
  EXPECT_GT(ready, loading);
  report.queue = 5;
  report.served = 1'000;
  EXPECT_EQ(membership.report(report), std::nullopt);
  EXPECT_EQ(membership.view().epoch, ready);
  EXPECT_EQ(member(0, 0).queue, 5) << "people see it all the same";
}

TEST_F(MembershipTest, RefusesWhoDoesNotBelongHere) {
  auto stranger = hello(0, 0);
  stranger.wire = kWireVersion + 1;
  EXPECT_EQ(membership.join(stranger), Errc::kWrongVersion);
  stranger = hello(0, 0);
  stranger.colony = "news";
  EXPECT_EQ(membership.join(stranger), Errc::kWrongColony);
  stranger = hello(2, 0);
  EXPECT_EQ(membership.join(stranger), Errc::kUnknownSlot);
  stranger = hello(0, -1);
  EXPECT_EQ(membership.join(stranger), Errc::kUnknownSlot);
  stranger = hello(0, 0);
  stranger.generation = "91bc";
  EXPECT_EQ(membership.join(stranger), Errc::kWrongGeneration);
  EXPECT_EQ(membership.view().epoch, wanted_view().epoch + 1) << "nothing has changed";
}

TEST_F(MembershipTest, ChecksEveryFieldThatAPeerSends) {
  auto broken = hello(0, 0);
  broken.state = 9;
  EXPECT_EQ(membership.join(broken), Errc::kInvalid);
  broken = hello(0, 0);
  broken.endpoint = "";
  EXPECT_EQ(membership.join(broken), Errc::kInvalid) << "ready, but nowhere";
  broken = hello(0, 0);
  broken.node = "node\n1";
  EXPECT_EQ(membership.join(broken), Errc::kInvalid);
  broken = hello(0, 0);
  broken.node = std::string(513, 'n');
  EXPECT_EQ(membership.join(broken), Errc::kInvalid);
  broken = hello(0, 0);
  broken.pid = 0;
  EXPECT_EQ(membership.join(broken), Errc::kInvalid);
  EXPECT_EQ(membership.report({"node-1", 100, kReady, "tcp://x:1", 0, 0, 0, 0}), Errc::kNotJoined);
}

TEST_F(MembershipTest, ASecondNodeCannotTakeALivingNodesPlace) {
  join_all();
  auto rival = hello(0, 0);
  rival.node = "rival";
  rival.pid = 999;
  EXPECT_EQ(membership.join(rival), Errc::kSlotTaken);
  EXPECT_EQ(member(0, 0).node, "node-1");
}

TEST_F(MembershipTest, ANewProcessOfTheSameNodeReplacesTheOld) {
  join_all();
  auto again = hello(0, 0, kLoading);
  again.pid = 200;
  EXPECT_EQ(membership.join(again), std::nullopt);
  EXPECT_EQ(member(0, 0).pid, 200);
  // Late news of the old process must not touch the new one.
  membership.lost("node-1", 100, true, now);
  ProcessEvent event{"host", "main", "7f3a", 0, 0, 100, false, 137, 1, false, "", 0};
  EXPECT_EQ(membership.process_event(event), std::nullopt);
  EXPECT_EQ(member(0, 0).pid, 200);
  EXPECT_EQ(member(0, 0).state, ReplicaState::kLoading);
}

TEST_F(MembershipTest, AProcessThatEndedLeavesTheViewAtOnce) {
  join_all();
  const auto before = membership.view().epoch;
  ProcessEvent event{"host", "main", "7f3a", 1, 1, 103, false, 137, 1, false, "killed", 200};
  EXPECT_EQ(membership.process_event(event), std::nullopt);
  EXPECT_EQ(member(1, 1).state, ReplicaState::kGone);
  EXPECT_TRUE(member(1, 1).endpoint.empty());
  EXPECT_EQ(member(1, 1).restarts, 1);
  EXPECT_GT(membership.view().epoch, before);
  EXPECT_TRUE(membership.view().serves_all_shards());
  EXPECT_FALSE(membership.view().complete());
}

TEST_F(MembershipTest, ANodeThatOnlyLostItsConnectionStaysUntilItIsReplaceable) {
  join_all();
  membership.lost("node-1", 100, false, now);
  EXPECT_EQ(member(0, 0).state, ReplicaState::kReady);
  membership.tick(now + 999ms);
  EXPECT_EQ(member(0, 0).state, ReplicaState::kReady);
  membership.tick(now + 1s);
  EXPECT_EQ(member(0, 0).state, ReplicaState::kGone) << "its neighbour is in contact";
}

TEST_F(MembershipTest, AnOutageOfTheWholeControlPlaneEmptiesNothing) {
  join_all();
  const auto before = membership.view().epoch;
  for (int pid = 100; pid < 104; ++pid) {
    membership.lost("node-" + std::to_string(pid - 99), pid, false, now);
  }
  for (auto time = now; time < now + 60s; time += 200ms) membership.tick(time);
  EXPECT_TRUE(membership.view().complete());
  EXPECT_EQ(membership.view().epoch, before);
  // Back in contact, all is as before.
  join_all();
  EXPECT_EQ(membership.view().epoch, before);
}

TEST_F(MembershipTest, ANodeThatDiedOrNeverServedIsNotKept) {
  join_all();
  membership.lost("node-1", 100, true, now);
  EXPECT_EQ(member(0, 0).state, ReplicaState::kGone);
  membership.join(hello(0, 0, kLoading));
  membership.lost("node-1", 100, false, now);
  EXPECT_EQ(member(0, 0).state, ReplicaState::kGone);
  membership.leave("node-2", 101);
  EXPECT_EQ(member(0, 1).state, ReplicaState::kGone);
}

TEST_F(MembershipTest, ANewHeadHoldsItsViewBackUntilItIsAsGoodAsTheLast) {
  EXPECT_FALSE(membership.publishable(now + 60s)) << "nobody came: clients know better";
  membership.join(hello(0, 0));
  EXPECT_FALSE(membership.publishable(now));
  membership.join(hello(1, 0));
  EXPECT_FALSE(membership.publishable(now + 1'499ms)) << "half of the capacity is missing";
  EXPECT_TRUE(membership.publishable(now + 1'500ms));
  membership.lost("node-1", 100, true, now + 2s);
  EXPECT_TRUE(membership.publishable(now + 2s)) << "once in charge, always in charge";
}

TEST_F(MembershipTest, ANewHeadTakesOverAtOnceWhenAllAreBack) {
  join_all();
  EXPECT_TRUE(membership.publishable(now));
}

TEST_F(MembershipTest, ANewHeadTellsTheTruthInTheEndWhenAShardIsMissing) {
  membership.join(hello(0, 0));
  EXPECT_FALSE(membership.publishable(now + 9'999ms));
  EXPECT_TRUE(membership.publishable(now + 10s));
}

}  // namespace
}  // namespace rookery::actors
