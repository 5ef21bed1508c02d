#include "actors/registry.hpp"

#include <gtest/gtest.h>

#include "tests/actors/deterministic_system.hpp"

namespace rookery::actors {
namespace {

using namespace std::chrono_literals;
using retriever_pool::ReplicaState;

constexpr auto kReady = static_cast<std::uint8_t>(ReplicaState::kReady);

class RegistryTest : public testing::DeterministicSystem {
 protected:
  RegistryTest() {
    RegistrySetup setup;
    setup.wanted.colony = "wiki";
    setup.wanted.term = 5;
    retriever_pool::GenerationView generation{"main", {}, 1, 2, {}, ""};
    generation.index.generation = "7f3a";
    setup.wanted.generations = {generation};
    setup.board = board;
    setup.host = "host";
    setup.is_dead = [this](const ProcessIdentity&) { return processes_dead; };
    setup.publish = [this](const retriever_pool::RoutingView& view) { published.push_back(view); };
    SupervisorSetup plan;
    plan.wanted.colony = "wiki";
    plan.wanted.term = 5;
    WantedGeneration live{"7f3a", "/data/7f3a", retriever_pool::GenerationRole::kLive, 1, 2};
    plan.wanted.indexes = {{.name = "main", .generations = {live}}};
    plan.on_wanted = [this](const WantedState& state) { board->want(state); };
    plan.states = [this] { return board->node_states(); };
    plan.save = [this](const WantedState& state) { saved = state; };
    plan.on_agents = [this](std::vector<AgentInfo> list) { board->update_agents(std::move(list)); };
    supervisor = system.spawn<SupervisorActor>(std::move(plan));
    registry = system.spawn<RegistryActor>(std::move(setup), supervisor);
    run();
  }
  ~RegistryTest() override {
    caf::anon_send_exit(registry, caf::exit_reason::user_shutdown);
    caf::anon_send_exit(supervisor, caf::exit_reason::user_shutdown);
    run();
  }
  static NodeHello hello(std::int32_t replica) {
    NodeHello result;
    result.colony = "wiki";
    result.node = "node-" + std::to_string(replica + 1);
    result.replica = replica;
    result.host = "host";
    result.pid = 100 + replica;
    result.generation = "7f3a";
    result.state = kReady;
    result.endpoint = "tcp://127.0.0.1:" + std::to_string(result.pid);
    return result;
  }
  ReplicaState state(std::int32_t replica) {
    return board->view().members.at(static_cast<std::size_t>(replica)).state;
  }

  std::shared_ptr<StatusBoard> board = std::make_shared<StatusBoard>();
  std::vector<retriever_pool::RoutingView> published;
  std::optional<WantedState> saved;
  bool processes_dead = false;
  Supervisor supervisor;
  Registry registry;
};

TEST_F(RegistryTest, WelcomesNodesWithItsTerm) {
  caf::scoped_actor node{system};
  const auto welcome = ask_as<Welcome>(node, registry, hello_atom_v, hello(0));
  ASSERT_TRUE(welcome) << caf::to_string(welcome.error());
  EXPECT_EQ(welcome->term, 5u);
  EXPECT_EQ(welcome->colony, "wiki");
  EXPECT_EQ(state(0), ReplicaState::kReady);
}

TEST_F(RegistryTest, RefusesWithAReasonThatCanBeRead) {
  caf::scoped_actor node{system};
  auto stranger = hello(0);
  stranger.generation = "91bc";
  const auto welcome = ask_as<Welcome>(node, registry, hello_atom_v, stranger);
  ASSERT_FALSE(welcome);
  EXPECT_EQ(welcome.error(), caf::make_error(Errc::kWrongGeneration));
  EXPECT_EQ(to_string(Errc::kWrongGeneration), "the colony serves another generation of the index");
}

TEST_F(RegistryTest, PublishesOnceAllAreBack) {
  caf::scoped_actor first{system}, second{system};
  ask_as<Welcome>(first, registry, hello_atom_v, hello(0));
  EXPECT_TRUE(published.empty());
  ask_as<Welcome>(second, registry, hello_atom_v, hello(1));
  ASSERT_FALSE(published.empty());
  EXPECT_TRUE(published.back().complete());
  EXPECT_EQ(published.back().term, 5u);
}

TEST_F(RegistryTest, AnEndedProcessIsPublishedAtOnce) {
  caf::scoped_actor first{system}, second{system}, agent{system};
  ask_as<Welcome>(first, registry, hello_atom_v, hello(0));
  ask_as<Welcome>(second, registry, hello_atom_v, hello(1));
  const auto before = published.back().epoch;
  ProcessEvent event{"host", "main", "7f3a", 0, 1, 101, false, 137, 1, false, "", 200};
  EXPECT_FALSE(tell_as(agent, registry, event_atom_v, event));
  EXPECT_GT(published.back().epoch, before);
  EXPECT_EQ(published.back().members.at(1).state, ReplicaState::kGone);
}

TEST_F(RegistryTest, ANodeWhoseActorEndsWithItsProcessIsGone) {
  caf::scoped_actor second{system};
  ask_as<Welcome>(second, registry, hello_atom_v, hello(1));
  processes_dead = true;
  {
    caf::scoped_actor node{system};
    ask_as<Welcome>(node, registry, hello_atom_v, hello(0));
  }
  run();
  EXPECT_EQ(state(0), ReplicaState::kGone);
  EXPECT_EQ(state(1), ReplicaState::kReady);
}

TEST_F(RegistryTest, ANodeThatIsSeenDeadALittleLaterGoesEvenAsTheLastOfItsShard) {
  {
    caf::scoped_actor node{system};
    ask_as<Welcome>(node, registry, hello_atom_v, hello(0));
  }
  run();
  pass(200ms);
  EXPECT_EQ(state(0), ReplicaState::kReady) << "nobody saw it die";
  processes_dead = true;
  pass(200ms);
  EXPECT_EQ(state(0), ReplicaState::kGone);
}

TEST_F(RegistryTest, ANodeThatIsOnlyOutOfContactGoesAfterASecond) {
  caf::scoped_actor second{system};
  ask_as<Welcome>(second, registry, hello_atom_v, hello(1));
  {
    caf::scoped_actor node{system};
    ask_as<Welcome>(node, registry, hello_atom_v, hello(0));
  }
  run();
  EXPECT_EQ(state(0), ReplicaState::kReady);
  for (int beat = 0; beat < 7; ++beat) pass(200ms);
  EXPECT_EQ(state(0), ReplicaState::kGone);
}

TEST_F(RegistryTest, ANodeThatReconnectsIsNotHurtByTheEndOfItsOldConnection) {
  caf::scoped_actor other{system};
  ask_as<Welcome>(other, registry, hello_atom_v, hello(1));
  caf::scoped_actor fresh{system};
  {
    caf::scoped_actor old{system};
    ask_as<Welcome>(old, registry, hello_atom_v, hello(0));
    ask_as<Welcome>(fresh, registry, hello_atom_v, hello(0));
  }
  run();
  for (int beat = 0; beat < 7; ++beat) pass(200ms);
  EXPECT_EQ(state(0), ReplicaState::kReady);
}

TEST_F(RegistryTest, AReportOfAStrangerAsksForAHelloFirst) {
  caf::scoped_actor node{system};
  const NodeReport report{"node-1", 100, kReady, "tcp://127.0.0.1:1", 0, 0, 0, 0};
  EXPECT_EQ(tell_as(node, registry, report_atom_v, report), caf::make_error(Errc::kNotJoined));
}

TEST_F(RegistryTest, AnAgentsHelloReachesTheSupervisorAndBringsItsAssignment) {
  // The agent's side of the conversation, by hand.
  std::optional<Assignment> assigned;
  auto agent = system.spawn([&](caf::event_based_actor* self) -> caf::behavior {
    self->request(registry, 1s, hello_atom_v,
                  AgentHello{kWireVersion, "wiki", "host", "host", 7, 2, 0})
        .then([](const Welcome&) {});
    return {[&](assign_atom, const Assignment& assignment) { assigned = assignment; }};
  });
  run();
  ASSERT_TRUE(assigned);
  ASSERT_EQ(assigned->nodes.size(), 2u);
  EXPECT_EQ(assigned->nodes[1].node, "node-2");
  ASSERT_TRUE(saved) << "the placement is kept on disk";
  EXPECT_EQ(saved->placement.at({"main", "7f3a", 0, 1}), "host");
  EXPECT_NE(board->status_json().find("\"connected\":true"), std::string::npos);
  assigned.reset();
  pass(500ms);
  EXPECT_FALSE(assigned) << "confirmed assignments are not repeated";
  caf::anon_send_exit(agent, caf::exit_reason::kill);
  agent = nullptr;
  run();
  EXPECT_NE(board->status_json().find("\"connected\":false"), std::string::npos);
}

}  // namespace
}  // namespace rookery::actors
