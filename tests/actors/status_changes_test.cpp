#include "actors/status_changes.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rookery::actors {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

MemberStatus ready_member() {
  MemberStatus member;
  member.index = "main";
  member.node = "node-1";
  member.state = "ready";
  member.in_contact = true;
  member.pid = 11;
  member.host = "ants";
  return member;
}

/// The events of `change`, applied to a colony with one ready node, one agent, one generation.
template <class Change>
std::vector<std::string> events_of(Change change) {
  ColonyStatus before;
  before.members = {ready_member()};
  before.agents = {{"ants", "ants", 5, 2, 1, true}};
  before.generations = {{"main", "7f3a", "live", 1, 1, "exact", true}};
  auto after = before;
  change(after);
  std::vector<std::string> texts;
  for (const auto& event : status_changes(before, after)) {
    texts.push_back(to_string(event.level) + " " + event.text);
  }
  return texts;
}

TEST(StatusChangesTest, NothingHappenedWhenOnlyLoadMoved) {
  EXPECT_THAT(events_of([](ColonyStatus& status) {
                status.members[0].served += 100;
                status.members[0].queue = 3;
                status.epoch += 1;
              }),
              IsEmpty());
}

TEST(StatusChangesTest, ANodeThatDiesAndComesBackIsTwoSentencesInOne) {
  EXPECT_THAT(events_of([](ColonyStatus& status) {
                status.members[0].pid = 12;
                status.members[0].exit_code = 137;
                status.members[0].reason = "killed";
              }),
              ElementsAre("warn node-1 ended with code 137: killed; it runs again as process 12 "
                          "on ants"));
}

TEST(StatusChangesTest, TellsStatesContactAndRefusals) {
  EXPECT_THAT(events_of([](ColonyStatus& status) { status.members[0].state = "draining"; }),
              ElementsAre("info node-1 is draining (main shard 0, replica 0)"));
  EXPECT_THAT(events_of([](ColonyStatus& status) { status.members[0].in_contact = false; }),
              ElementsAre("warn node-1 has lost contact"));
  EXPECT_THAT(events_of([](ColonyStatus& status) { status.members[0].refused = 7; }),
              ElementsAre("warn node-1 refused 7 requests"));
  EXPECT_THAT(events_of([](ColonyStatus& status) {
                status.members[0].crash_loop = true;
                status.members[0].pid = 0;
                status.members[0].state = "gone";
                status.members[0].reason = "no memory";
              }),
              ElementsAre("error node-1 ends again and again: no memory",
                          "warn node-1 is gone (main shard 0, replica 0)"));
  EXPECT_THAT(events_of([](ColonyStatus& status) { status.members.clear(); }),
              ElementsAre("info node-1 is wanted no more"));
}

TEST(StatusChangesTest, ASlotWithoutANodeSaysNothing) {
  EXPECT_THAT(events_of([](ColonyStatus& status) {
                status.members.emplace_back();
                status.members.back().state = "gone";
              }),
              IsEmpty());
}

TEST(StatusChangesTest, FollowsASwapAndItsScale) {
  EXPECT_THAT(events_of([](ColonyStatus& status) {
                status.generations.push_back({"main", "91bc", "preparing", 1, 1});
              }),
              ElementsAre("info main generation 91bc is preparing"));
  EXPECT_THAT(events_of([](ColonyStatus& status) {
                status.generations[0].role = "retired";
                status.generations.push_back({"main", "91bc", "live", 1, 1});
              }),
              ElementsAre("info main generation 7f3a is retired",
                          "info main generation 91bc is "
                          "live"));
  EXPECT_THAT(events_of([](ColonyStatus& status) { status.generations[0].replicas = 3; }),
              ElementsAre("info main generation 7f3a shall have 3 replicas of each shard instead "
                          "of 1"));
  EXPECT_THAT(events_of([](ColonyStatus& status) { status.generations[0].complete = false; }),
              ElementsAre("warn main generation 7f3a misses replicas"));
}

TEST(StatusChangesTest, FollowsOperationsAndAgents) {
  EXPECT_THAT(events_of([](ColonyStatus& status) {
                status.operations = {{1, "scale", "main", "", "", "running", 0, 2, "1 to 3"}};
              }),
              ElementsAre("info scale of main: running: 1 to 3"));
  EXPECT_THAT(events_of([](ColonyStatus& status) {
                status.operations = {{1, "drain", "main", "node-1", "", "failed", 0, 2, ""}};
              }),
              ElementsAre("warn drain of node-1: failed"));
  EXPECT_THAT(events_of([](ColonyStatus& status) { status.agents[0].connected = false; }),
              ElementsAre("warn agent ants on ants is not connected any more"));
  EXPECT_THAT(events_of([](ColonyStatus& status) {
                status.agents.push_back({"bees", "bees", 6, 2, 0, true});
              }),
              ElementsAre("info agent bees on bees has come"));
}

}  // namespace
}  // namespace rookery::actors
