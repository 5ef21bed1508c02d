// A plan in a simulated colony: processes that start slowly, die and come back, agents that join,
// and people who order one thing after another.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "actors/colony_plan.hpp"
#include "tests/support/seed.hpp"

namespace rookery::actors {
namespace {

using namespace std::chrono_literals;
using retriever_pool::GenerationRole;

using Shard = std::tuple<std::string, std::string, std::int32_t>;

WantedGeneration generation(const std::string& name, std::int32_t shards, std::int32_t replicas,
                            GenerationRole role = GenerationRole::kLive) {
  return {name, "/data/" + name, role, shards, replicas};
}

class World {
 public:
  explicit World(std::uint64_t seed, WantedState wanted)
      : random_(seed), plan(std::move(wanted), {}, {}, now) {}

  void join(const std::string& agent, const std::string& host, std::int32_t slots_max = 0) {
    plan.agent_came({kWireVersion, "wiki", agent, host, 10, 2, slots_max}, now);
    agents_.insert(agent);
  }

  /// 200 ms: processes come up, the plan takes a step, agents do as they are told.
  void tick() {
    now += 200ms;
    for (auto& [key, process] : processes_) {
      if (!process.ready && process.ready_at <= now) process.ready = true;
    }
    note_served();
    plan.replan(now);
    if (plan.advance(states(), now)) plan.replan(now);
    obey();
    check();
  }
  void ticks(int count) {
    for (int i = 0; i < count; ++i) tick();
  }
  /// Until nothing is under way, at most a (virtual) quarter of an hour.
  bool rest() {
    for (int i = 0; i < 4'500; ++i) {
      tick();
      if (at_rest()) return true;
    }
    return false;
  }

  /// One replica of a shard that has another ready one dies, and is started again by its agent.
  void crash_one() {
    std::vector<Process*> able;
    for (auto& [key, process] : processes_) {
      if (process.ready && ready_in(shard_of(key.first)) >= 2) able.push_back(&process);
    }
    if (able.empty()) return;
    auto& process = *able[pick(able.size())];
    process.ready = false;
    process.ready_at = now + 2s;
  }
  std::size_t pick(std::size_t count) {
    return std::uniform_int_distribution<std::size_t>(0, count - 1)(random_);
  }
  int roll(int low, int high) { return std::uniform_int_distribution<int>(low, high)(random_); }

  [[nodiscard]] bool at_rest() const {
    const auto slots = plan.wanted().wanted_slots();
    const auto known = states();
    return plan.wanted().nodes.size() == slots.size() &&
           std::none_of(plan.wanted().operations.begin(), plan.wanted().operations.end(),
                        [](const Operation& operation) { return operation.state == "running"; }) &&
           std::all_of(slots.begin(), slots.end(), [&](const Slot& slot) {
             const auto place = known.find(slot);
             return place != known.end() && place->second.ready &&
                    place->second.run == plan.wanted().nodes.at(slot).run;
           });
  }
  [[nodiscard]] NodeStates states() const {
    NodeStates list;
    for (const auto& [key, process] : processes_) {
      auto& state = list[key.first];
      if (state.ready && state.run > process.run) continue;
      state = {process.ready, process.ready, process.run};
      state.crash_loop = crashing && barren.contains(key.second);
    }
    return list;
  }
  /// Where a slot's process runs.
  [[nodiscard]] std::set<std::string> agents_of(const Slot& slot) const {
    std::set<std::string> names;
    for (const auto& [key, process] : processes_) {
      if (key.first == slot) names.insert(key.second);
    }
    return names;
  }
  [[nodiscard]] std::size_t process_count() const { return processes_.size(); }

  TimePoint now{};
  std::set<std::string> barren;  ///< agents whose processes never come up,
  bool crashing = false;         ///< and end again and again
  int starts = 0;
  int stopped_at_once = 0;  ///< the most ready processes of one index that one tick stopped

 private:
  struct Process {
    std::int64_t run = 0;
    bool ready = false;
    TimePoint ready_at;
  };
  static Shard shard_of(const Slot& slot) { return {slot.index, slot.generation, slot.shard}; }

  [[nodiscard]] int ready_in(const Shard& shard) const {
    return static_cast<int>(
        std::count_if(processes_.begin(), processes_.end(), [&](const auto& entry) {
          return shard_of(entry.first.first) == shard && entry.second.ready;
        }));
  }
  void note_served() {
    for (const auto& [key, process] : processes_) {
      if (process.ready) served_.insert(shard_of(key.first));
    }
  }
  void obey() {
    std::map<std::string, int> stopped;
    for (const auto& agent : agents_) {
      std::map<Slot, std::int64_t> wanted;
      std::set<std::string> names;
      for (const auto& spec : plan.assignment_of(agent).nodes) {
        wanted[slot_of(spec)] = spec.run;
        EXPECT_TRUE(names.insert(spec.node).second) << spec.node << " twice";
      }
      for (auto place = processes_.begin(); place != processes_.end();) {
        const auto& [key, process] = *place;
        const auto told = wanted.find(key.first);
        const bool stays =
            key.second != agent || (told != wanted.end() && told->second == process.run);
        if (!stays && process.ready) ++stopped[key.first.index];
        place = stays ? std::next(place) : processes_.erase(place);
      }
      for (const auto& [slot, run] : wanted) {
        const auto [place, fresh] = processes_.try_emplace({slot, agent});
        if (!fresh) continue;
        const auto takes = barren.contains(agent) ? std::chrono::hours(1'000)
                                                  : std::chrono::milliseconds(roll(100, 3'000));
        place->second = {run, false, now + takes};
        ++starts;
      }
    }
    for (const auto& [index, count] : stopped) stopped_at_once = std::max(stopped_at_once, count);
  }
  /// No shard that was served, and still is wanted, is served by nobody.
  void check() {
    std::set<Shard> wanted;
    for (const auto& slot : plan.wanted().wanted_slots()) wanted.insert(shard_of(slot));
    std::erase_if(served_, [&](const Shard& shard) { return !wanted.contains(shard); });
    for (const auto& shard : served_) {
      EXPECT_GE(ready_in(shard), 1) << "shard " << std::get<2>(shard) << " of "
                                    << std::get<0>(shard) << " at " << now.time_since_epoch() / 1ms;
    }
    for (const auto& index : plan.wanted().indexes) {
      EXPECT_LE(std::count_if(plan.wanted().operations.begin(), plan.wanted().operations.end(),
                              [&](const Operation& operation) {
                                return operation.state == "running" &&
                                       operation.index == index.name;
                              }),
                1);
    }
  }

  std::mt19937_64 random_;
  std::set<std::string> agents_;
  std::map<std::pair<Slot, std::string>, Process> processes_;
  std::set<Shard> served_;

 public:
  ColonyPlan plan;
};

WantedState one_index(std::int32_t shards, std::int32_t replicas) {
  WantedState state;
  state.colony = "wiki";
  state.term = 1;
  state.indexes = {{.name = "main", .generations = {generation("aa", shards, replicas)}}};
  return state;
}

AdminRequest request(const std::string& action) {
  AdminRequest result;
  result.action = action;
  return result;
}

AdminRequest scale_to(std::int32_t replicas) {
  auto result = request("scale");
  result.replicas = replicas;
  return result;
}

TEST(ColonyPlanStepsTest, ScalesUpAndDownAndTheHighestReplicasGo) {
  World world(1, one_index(2, 1));
  world.join("a", "A");
  ASSERT_TRUE(world.rest());
  EXPECT_EQ(world.plan.order(scale_to(3)).status, 202);
  EXPECT_EQ(world.plan.order(scale_to(2)).status, 409) << "one change at a time";
  ASSERT_TRUE(world.rest());
  EXPECT_EQ(world.process_count(), 6u);
  EXPECT_EQ(world.plan.wanted().operations.back().step, 6);
  EXPECT_EQ(world.plan.order(scale_to(1)).status, 202);
  ASSERT_TRUE(world.rest());
  EXPECT_EQ(world.process_count(), 2u);
  EXPECT_TRUE(world.plan.wanted().nodes.contains({"main", "aa", 1, 0}));
  EXPECT_EQ(world.plan.wanted().operations.back().state, "done");
  EXPECT_EQ(world.plan.order(scale_to(0)).status, 400);
  auto elsewhere = scale_to(2);
  elsewhere.index = "news";
  EXPECT_EQ(world.plan.order(elsewhere).status, 404);
}

TEST(ColonyPlanStepsTest, ARollingRestartReplacesEveryProcessOneAfterTheOther) {
  World world(2, one_index(2, 2));
  world.join("a", "A");
  ASSERT_TRUE(world.rest());
  const int before = world.starts;
  EXPECT_EQ(world.plan.order(request("restart")).status, 202);
  ASSERT_TRUE(world.rest());
  EXPECT_EQ(world.starts - before, 4);
  EXPECT_EQ(world.stopped_at_once, 1);
  for (const auto& [slot, node] : world.plan.wanted().nodes) EXPECT_EQ(node.run, 1);
}

TEST(ColonyPlanStepsTest, ALoneReplicaIsRestartedBehindASurplusOne) {
  World world(3, one_index(2, 1));
  world.join("a", "A");
  ASSERT_TRUE(world.rest());
  const int before = world.starts;
  EXPECT_EQ(world.plan.order(request("restart")).status, 202);
  ASSERT_TRUE(world.rest());  // the world checks that no shard was left alone
  EXPECT_EQ(world.starts - before, 4) << "a surplus and a fresh one for each shard";
  EXPECT_EQ(world.process_count(), 2u);
}

/// Agent a is to be drained; what leaves it goes to c, where nothing comes up.
void drain_towards_a_barren_host(World& world) {
  world.join("a", "A");
  world.join("b", "B");
  ASSERT_TRUE(world.rest());
  world.barren = {"c"};
  world.join("c", "C");
  auto drain = request("drain");
  drain.agent = "a";
  ASSERT_EQ(world.plan.order(drain).status, 202);
}

TEST(ColonyPlanStepsTest, ADrainWhoseNodesNeverComeUpEndsWithTheReasonAndOthersGoOn) {
  World world(8, one_index(2, 2));
  ASSERT_NO_FATAL_FAILURE(drain_towards_a_barren_host(world));
  world.ticks(2'900);  // 580 s
  EXPECT_EQ(world.plan.wanted().operations.back().state, "running");
  EXPECT_EQ(world.plan.order(scale_to(3)).status, 409);
  world.ticks(300);
  const auto ended = world.plan.wanted().operations.back();
  EXPECT_EQ(ended.state, "failed");
  EXPECT_NE(ended.text.find("no progress within 600 s: node-"), std::string::npos) << ended.text;
  EXPECT_TRUE(world.plan.wanted().drained_agents.empty()) << "what has not left stays";
  // The way out: whatever hangs there leaves the agent again.
  auto back = request("drain");
  back.agent = "c";
  EXPECT_EQ(world.plan.order(back).status, 202);
  EXPECT_TRUE(world.rest());
  EXPECT_EQ(world.plan.wanted().operations.back().state, "done");
}

TEST(ColonyPlanStepsTest, ADrainWhoseNodesCrashIsTakenBackAndTheIndexIsFree) {
  World world(9, one_index(2, 2));
  world.crashing = true;
  ASSERT_NO_FATAL_FAILURE(drain_towards_a_barren_host(world));
  world.ticks(10);
  EXPECT_EQ(world.plan.wanted().operations.back().state, "failed");
  const auto placed = world.plan.wanted().placement;
  EXPECT_EQ(std::count_if(placed.begin(), placed.end(),
                          [](const auto& entry) { return entry.second == "c"; }),
            1)
      << "no second node goes where the first one died";
  world.crashing = false;
  auto back = request("drain");
  back.agent = "c";
  EXPECT_EQ(world.plan.order(back).status, 202);
  world.ticks(100);
  EXPECT_TRUE(world.at_rest()) << "at once";
}

TEST(ColonyPlanStepsTest, ADrainedAgentGivesItsNodesAwayAndTakesThemWhenUndrained) {
  World world(4, one_index(2, 1));
  world.join("a", "A");
  ASSERT_TRUE(world.rest());
  auto drain = request("drain");
  drain.agent = "a";
  const auto refused = world.plan.order(drain);
  EXPECT_EQ(refused.status, 409) << "nobody else could take the last replica";
  EXPECT_NE(refused.text.find("holds the last replica of shard"), std::string::npos)
      << refused.text;
  world.join("b", "B");
  EXPECT_EQ(world.plan.order(drain).status, 202);
  ASSERT_TRUE(world.rest());
  EXPECT_EQ(world.agents_of({"main", "aa", 0, 0}), std::set<std::string>{"b"});
  EXPECT_EQ(world.agents_of({"main", "aa", 1, 0}), std::set<std::string>{"b"});
  EXPECT_TRUE(world.plan.assignment_of("a").nodes.empty());
  drain.action = "undrain";
  EXPECT_EQ(world.plan.order(drain).status, 202);
  EXPECT_EQ(world.plan.order(drain).status, 409) << "it is not drained any more";
}

TEST(ColonyPlanStepsTest, ADrainedNodeThatNobodyElseCanTakeStaysEmptyUntilUndrained) {
  World world(5, one_index(1, 2));
  world.join("a", "A");
  ASSERT_TRUE(world.rest());
  auto drain = request("drain");
  drain.node = "node-2";
  EXPECT_EQ(world.plan.order(drain).status, 202);
  world.ticks(50);
  EXPECT_EQ(world.process_count(), 1u);
  EXPECT_EQ(world.plan.wanted().operations.back().state, "done");
  drain.node = "node-1";
  EXPECT_EQ(world.plan.order(drain).status, 409) << "it is the last one now";
  drain.node = "node-9";
  EXPECT_EQ(world.plan.order(drain).status, 404);
  drain.action = "undrain";
  drain.node = "node-2";
  EXPECT_EQ(world.plan.order(drain).status, 202);
  ASSERT_TRUE(world.rest());
  EXPECT_EQ(world.process_count(), 2u);
}

TEST(ColonyPlanStepsTest, ReplicasMoveApartWhenAHostJoinsAndThenRest) {
  World world(6, one_index(2, 2));
  world.join("a", "A");
  ASSERT_TRUE(world.rest());
  world.join("b", "B");
  world.ticks(200);
  for (int shard = 0; shard < 2; ++shard) {
    EXPECT_NE(world.agents_of({"main", "aa", shard, 0}), world.agents_of({"main", "aa", shard, 1}));
  }
  const int starts = world.starts;
  world.ticks(500);
  EXPECT_EQ(world.starts, starts) << "nothing moves for ever";
}

TEST(ColonyPlanStepsTest, AVolunteerTakesOneSlotAndAnotherOneIdles) {
  World world(7, one_index(1, 2));
  world.join("a", "A");
  world.join("v", "V", 1);
  world.join("w", "W", 1);
  ASSERT_TRUE(world.rest());
  int spare = 0;
  for (const auto& agent : world.plan.agents()) spare += agent.slots == 0;
  EXPECT_EQ(spare, 1);
}

TEST(ColonyPlanStepsTest, TwoGenerationsAreServedBesideEachOtherUnderNamesOfTheirOwn) {
  World world(8, one_index(2, 1));
  world.join("a", "A");
  ASSERT_TRUE(world.rest());
  world.plan.add_generation("main", generation("bb", 3, 0));
  ASSERT_TRUE(world.rest());
  EXPECT_EQ(world.process_count(), 5u);
  EXPECT_EQ(world.plan.wanted().find("main")->live()->generation, "aa");
  EXPECT_EQ(world.plan.wanted().find("main")->find("bb")->role, GenerationRole::kPreparing);
  EXPECT_EQ(world.plan.wanted().nodes.at({"main", "bb", 0, 0}).name(), "node-3");
  world.plan.make_live("main", "bb");
  EXPECT_EQ(world.plan.wanted().find("main")->find("aa")->role, GenerationRole::kRetired);
  EXPECT_EQ(world.plan.wanted().generations().front().index.generation, "bb");
  world.plan.remove_generation("main", "aa");
  ASSERT_TRUE(world.rest());
  EXPECT_EQ(world.process_count(), 3u);
  EXPECT_THROW(world.plan.remove_generation("main", "bb"), std::invalid_argument);
  EXPECT_THROW(world.plan.make_live("main", "aa"), std::invalid_argument);
  EXPECT_THROW(world.plan.add_generation("main", generation("bb", 3, 1)), std::invalid_argument);
  // The names of processes that may still be on their way out rest for a while.
  world.plan.add_generation("main", generation("cc", 1, 1));
  world.tick();
  EXPECT_EQ(world.plan.wanted().nodes.at({"main", "cc", 0, 0}).name(), "node-6");
}

TEST(ColonyPlanStepsTest, ASuccessorGoesOnWithARestartThatWasUnderWay) {
  World world(9, one_index(2, 2));
  world.join("a", "A");
  ASSERT_TRUE(world.rest());
  world.plan.order(request("restart"));
  world.ticks(6);
  auto text = world.plan.wanted().to_json();
  auto wanted = WantedState::from_json(text, "wanted.json");
  ++wanted.term;
  world.plan = ColonyPlan(std::move(wanted), {}, {}, world.now);
  world.join("a", "A");
  ASSERT_TRUE(world.rest());
  for (const auto& [slot, node] : world.plan.wanted().nodes) EXPECT_EQ(node.run, 1);
  EXPECT_EQ(world.plan.wanted().operations.back().state, "done");
}

TEST(ColonyPlanWalkTest, NoShardIsEverLeftAloneAndWhatIsWantedIsReached) {
  const auto first = testing::seed();
  for (std::uint64_t seed = first; seed < first + 60; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    auto wanted = one_index(2, 1);
    wanted.indexes.push_back({.name = "news", .generations = {generation("nn", 1, 2)}});
    World world(seed, std::move(wanted));
    world.join("a", "A");
    ASSERT_TRUE(world.rest());
    int generations = 0;
    for (int step = 0; step < 60; ++step) {
      AdminRequest order;
      const std::string index = world.roll(0, 1) == 0 ? "main" : "news";
      switch (world.roll(0, 9)) {
        case 0:
          order = scale_to(world.roll(1, 4));
          break;
        case 1:
          order = request("restart");
          break;
        case 2:
          order = request(world.roll(0, 1) == 0 ? "drain" : "undrain");
          order.node = "node-" + std::to_string(world.roll(1, 8));
          break;
        case 3:
          order = request(world.roll(0, 1) == 0 ? "drain" : "undrain");
          order.agent = world.roll(0, 1) == 0 ? "a" : "b";
          break;
        case 4:
          world.crash_one();
          break;
        case 5:
          world.join("b", "B");
          break;
        case 6:
          world.join("v", "V", 1);
          break;
        case 7: {
          const auto name = "g" + std::to_string(++generations);
          if (world.plan.wanted().find(index)->generations.size() < 3) {
            world.plan.add_generation(index, generation(name, world.roll(1, 3), 0));
          }
          break;
        }
        case 8: {
          const auto& all = world.plan.wanted().find(index)->generations;
          const auto name = all[world.pick(all.size())].generation;
          const auto known = world.states();
          const bool served = std::any_of(known.begin(), known.end(), [&](const auto& entry) {
            return entry.first.generation == name && entry.second.ready;
          });
          if (served) world.plan.make_live(index, name);
          break;
        }
        default: {
          const auto& all = world.plan.wanted().find(index)->generations;
          const auto& one = all[world.pick(all.size())];
          if (one.role == GenerationRole::kRetired) {
            world.plan.remove_generation(index, std::string(one.generation));
          }
        }
      }
      order.index = index;
      if (!order.action.empty()) static_cast<void>(world.plan.order(order));
      world.ticks(world.roll(1, 40));
    }
    for (const auto& agent : {"a", "b"}) {
      auto undrain = request("undrain");
      undrain.agent = agent;
      static_cast<void>(world.plan.order(undrain));
    }
    for (int node = 1; node < 200; ++node) {
      auto undrain = request("undrain");
      undrain.node = "node-" + std::to_string(node);
      static_cast<void>(world.plan.order(undrain));
    }
    ASSERT_TRUE(world.rest()) << world.plan.wanted().to_json();
    if (HasFailure()) break;
  }
}

}  // namespace
}  // namespace rookery::actors
