#include "actors/colony_plan.hpp"

#include <algorithm>
#include <iterator>
#include <set>
#include <stdexcept>
#include <utility>

namespace rookery::actors {

using retriever_pool::GenerationRole;

namespace {

constexpr std::int32_t kReplicasMax = 64;

WantedIndex& index_named(WantedState& wanted, const std::string& name) {
  if (auto* index = wanted.find(name)) return *index;
  throw std::invalid_argument("the colony has no index '" + name + "'");
}

WantedGeneration& generation_named(WantedIndex& index, const std::string& name) {
  if (auto* generation = index.find(name)) return *generation;
  throw std::invalid_argument("index '" + index.name + "' has no generation '" + name + "'");
}

}  // namespace

ColonyPlan::ColonyPlan(WantedState wanted, NodeSpec pattern, SupervisorOptions options,
                       TimePoint start)
    : wanted_(std::move(wanted)), pattern_(std::move(pattern)), options_(options), start_(start) {
  for (const auto& slot : wanted_.wanted_slots()) {
    if (!wanted_.nodes.contains(slot)) add_node(slot, start);
  }
}

void ColonyPlan::agent_came(const AgentHello& hello, TimePoint now) {
  auto& agent = agents_[hello.agent];
  agent.info = {hello.agent, hello.host, hello.pid, hello.cores, 0, true};
  agent.info.slots_max = hello.slots_max;
  agent.lost_since = now;
}

void ColonyPlan::agent_lost(const std::string& agent, TimePoint now) {
  const auto place = agents_.find(agent);
  if (place == agents_.end()) return;
  place->second.info.connected = false;
  place->second.lost_since = now;
}

bool ColonyPlan::is_drained(const std::string& agent) const {
  const auto& drained = wanted_.drained_agents;
  return std::find(drained.begin(), drained.end(), agent) != drained.end();
}

const WantedGeneration* ColonyPlan::generation_of(const Slot& slot) const {
  for (const auto& index : wanted_.indexes) {
    if (index.name == slot.index) return index.find(slot.generation);
  }
  return nullptr;
}

bool ColonyPlan::is_base(const Slot& slot) const {
  const auto* generation = generation_of(slot);
  return generation != nullptr && slot.shard < generation->shards &&
         slot.replica < generation->replicas;
}

PlacementProblem ColonyPlan::problem() const {
  PlacementProblem problem;
  for (const auto& [slot, node] : wanted_.nodes) problem.slots.push_back(slot);
  for (const auto& [name, agent] : agents_) {
    if (!agent.info.connected) continue;
    problem.agents.push_back(
        {name, agent.info.cores, agent.info.host, agent.info.slots_max, !is_drained(name)});
  }
  problem.current = wanted_.placement;
  problem.avoid = wanted_.avoid;
  return problem;
}

void ColonyPlan::add_node(const Slot& slot, TimePoint now) {
  release_numbers(now);
  std::set<std::int32_t> taken;
  for (const auto& [other, node] : wanted_.nodes) taken.insert(node.number);
  for (const auto& [number, since] : resting_) taken.insert(number);
  std::int32_t number = 1;
  while (taken.contains(number)) ++number;
  wanted_.nodes[slot].number = number;
  changed_ = true;
}

void ColonyPlan::drop_node(const Slot& slot, TimePoint now) {
  const auto place = wanted_.nodes.find(slot);
  if (place == wanted_.nodes.end()) return;
  if (wanted_.placement.contains(slot)) resting_[place->second.number] = now;
  wanted_.nodes.erase(place);
  wanted_.placement.erase(slot);
  wanted_.avoid.erase(slot);
  std::erase_if(stopped_, [&](const auto& entry) { return entry.second.slot == slot; });
  changed_ = true;
}

void ColonyPlan::release_numbers(TimePoint now) {
  std::erase_if(resting_,
                [&](const auto& entry) { return now - entry.second >= options_.name_rest; });
}

bool ColonyPlan::replan(TimePoint now) {
  const bool changed_before = std::exchange(changed_, false);
  std::vector<Slot> orphans;
  for (const auto& [slot, node] : wanted_.nodes) {
    const auto* generation = generation_of(slot);
    if (generation == nullptr || slot.shard >= generation->shards) orphans.push_back(slot);
  }
  for (const auto& slot : orphans) drop_node(slot, now);
  for (const auto& slot : wanted_.wanted_slots()) {
    if (!wanted_.nodes.contains(slot)) add_node(slot, now);
  }
  const auto where = problem();
  if (!where.agents.empty()) {  // else nobody could take a slot, so all stay where they are
    auto placement = place(where);
    // Agents that are away, but not for long, keep what they have: they may only be reconnecting.
    for (const auto& [slot, name] : wanted_.placement) {
      const auto agent = agents_.find(name);
      const bool connected = agent != agents_.end() && agent->second.info.connected;
      const auto since = agent == agents_.end() ? start_ : agent->second.lost_since;
      if (!connected && now - since < options_.agent_grace) placement[slot] = name;
    }
    if (placement != wanted_.placement) {
      wanted_.placement = std::move(placement);
      changed_ = true;
    }
  }
  const bool changed = changed_;
  changed_ = changed_ || changed_before;
  return changed;
}

Assignment ColonyPlan::assignment_of(const std::string& agent) const {
  Assignment assignment{wanted_.term, {}};
  for (const auto& [slot, name] : wanted_.placement) {
    const auto* generation = generation_of(slot);
    const auto node = wanted_.nodes.find(slot);
    if (name != agent || generation == nullptr || node == wanted_.nodes.end()) continue;
    auto spec = pattern_;
    spec.index = slot.index;
    spec.generation = slot.generation;
    spec.shard = slot.shard;
    spec.replica = slot.replica;
    spec.node = node->second.name();
    spec.run = node->second.run;
    spec.snapshot = generation->snapshot;
    const auto& settings = wanted_.find(slot.index)->settings;
    spec.kind = settings.kind;
    spec.ef_search = settings.ef_search;
    spec.nprobe = settings.nprobe;
    spec.candidates = settings.candidates;
    spec.filter_file = settings.filter_file;
    assignment.nodes.push_back(std::move(spec));
  }
  return assignment;
}

std::vector<AgentInfo> ColonyPlan::agents() const {
  std::vector<AgentInfo> list;
  for (const auto& [name, agent] : agents_) {
    list.push_back(agent.info);
    list.back().drained = is_drained(name);
    list.back().slots = static_cast<std::int32_t>(
        std::count_if(wanted_.placement.begin(), wanted_.placement.end(),
                      [&name = name](const auto& entry) { return entry.second == name; }));
  }
  return list;
}

bool ColonyPlan::take_change() { return std::exchange(changed_, false); }

void ColonyPlan::add_generation(const std::string& index, WantedGeneration generation) {
  auto& wanted = index_named(wanted_, index);
  if (wanted.find(generation.generation) != nullptr) {
    throw std::invalid_argument("index '" + wanted.name + "' has generation '" +
                                generation.generation + "' already");
  }
  if (generation.replicas == 0 && wanted.live() != nullptr) {
    generation.replicas = wanted.live()->replicas;
  }
  if (generation.shards < 1 || generation.replicas < 1 || generation.replicas > kReplicasMax) {
    throw std::invalid_argument("a generation needs at least one shard and 1 to 64 replicas");
  }
  generation.role = GenerationRole::kPreparing;
  wanted.generations.push_back(std::move(generation));
  changed_ = true;
}

void ColonyPlan::make_live(const std::string& index, const std::string& generation) {
  auto& wanted = index_named(wanted_, index);
  auto& chosen = generation_named(wanted, generation);
  if (auto* live = wanted.live()) live->role = GenerationRole::kRetired;
  chosen.role = GenerationRole::kLive;
  changed_ = true;
}

void ColonyPlan::remove_generation(const std::string& index, const std::string& generation) {
  auto& wanted = index_named(wanted_, index);
  if (generation_named(wanted, generation).role == GenerationRole::kLive) {
    throw std::invalid_argument("generation '" + generation + "' of index '" + wanted.name +
                                "' is live; make another one live first");
  }
  std::erase_if(wanted.generations,
                [&](const auto& known) { return known.generation == generation; });
  changed_ = true;
}

void ColonyPlan::scale(const std::string& index, const std::string& generation,
                       std::int32_t replicas) {
  auto& wanted = index_named(wanted_, index);
  auto* chosen = generation.empty() ? wanted.live() : &generation_named(wanted, generation);
  if (chosen == nullptr) {
    throw std::invalid_argument("index '" + wanted.name + "' has no live generation");
  }
  if (replicas < 1 || replicas > kReplicasMax) {
    throw std::invalid_argument("replicas: expected a number in [1, 64], got " +
                                std::to_string(replicas));
  }
  chosen->replicas = replicas;
  changed_ = true;
}

bool ColonyPlan::busy(const std::string& index) const {
  const auto* wanted = wanted_.find(index);
  return wanted != nullptr &&
         std::any_of(wanted_.operations.begin(), wanted_.operations.end(),
                     [&](const Operation& operation) {
                       return operation.state == "running" &&
                              (operation.index.empty() || operation.index == wanted->name);
                     });
}

}  // namespace rookery::actors
