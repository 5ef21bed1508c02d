#include "actors/placement.hpp"

#include <algorithm>
#include <tuple>

namespace rookery::actors {

namespace {

/// All replicas of one shard of one generation share these.
using Shard = std::tuple<std::string, std::string, std::int32_t>;

Shard shard_of(const Slot& slot) { return {slot.index, slot.generation, slot.shard}; }

/// How many slots each agent, and how many replicas of a shard each agent and host, would hold.
class Burdens {
 public:
  explicit Burdens(const std::vector<AgentCapacity>& agents) : agents_(agents) {}

  [[nodiscard]] const AgentCapacity* find(const std::string& name) const {
    const auto place =
        std::find_if(agents_.begin(), agents_.end(),
                     [&](const AgentCapacity& agent) { return agent.agent == name; });
    return place == agents_.end() ? nullptr : &*place;
  }
  void add(const Slot& slot, const AgentCapacity& agent, std::int32_t count = 1) {
    slots_[agent.agent] += count;
    on_agent_[{agent.agent, shard_of(slot)}] += count;
    on_host_[{agent.host, shard_of(slot)}] += count;
  }
  /// Replicas of the slot's shard that this host and this agent hold.
  [[nodiscard]] std::pair<std::int32_t, std::int32_t> neighbours(const Slot& slot,
                                                                 const AgentCapacity& agent) const {
    return {count(on_host_, {agent.host, shard_of(slot)}),
            count(on_agent_, {agent.agent, shard_of(slot)})};
  }
  /// The open agent with the least burden that may take the slot; null when there is none.
  [[nodiscard]] const AgentCapacity* best(const Slot& slot, const std::string& avoid) const {
    const AgentCapacity* best = nullptr;
    const auto burden = [&](const AgentCapacity& agent) {
      const std::int32_t cores = std::max(agent.cores, 1);
      return std::tuple(neighbours(slot, agent),
                        std::int64_t{count(slots_, agent.agent)} * 1'000 / cores, agent.agent);
    };
    for (const AgentCapacity& agent : agents_) {
      const bool full = agent.slots_max > 0 && count(slots_, agent.agent) >= agent.slots_max;
      if (!agent.open || full || agent.agent == avoid) continue;
      if (best == nullptr || burden(agent) < burden(*best)) best = &agent;
    }
    return best;
  }

 private:
  template <class Map>
  static std::int32_t count(const Map& counts, const typename Map::key_type& key) {
    const auto place = counts.find(key);
    return place == counts.end() ? 0 : place->second;
  }
  const std::vector<AgentCapacity>& agents_;
  std::map<std::string, std::int32_t> slots_;
  std::map<std::pair<std::string, Shard>, std::int32_t> on_agent_, on_host_;
};

std::string avoided(const PlacementProblem& problem, const Slot& slot) {
  const auto place = problem.avoid.find(slot);
  return place == problem.avoid.end() ? std::string() : place->second;
}

/// Counts what stays; returns it.
Placement keep(const PlacementProblem& problem, Burdens& burdens) {
  Placement placement;
  for (const Slot& slot : problem.slots) {
    const auto place = problem.current.find(slot);
    const auto* agent = place == problem.current.end() ? nullptr : burdens.find(place->second);
    if (agent == nullptr) continue;
    placement[slot] = agent->agent;
    burdens.add(slot, *agent);
  }
  return placement;
}

}  // namespace

Placement place(const PlacementProblem& problem) {
  Burdens burdens(problem.agents);
  Placement placement = keep(problem, burdens);
  for (const Slot& slot : problem.slots) {
    if (placement.contains(slot)) continue;
    const auto* agent = burdens.best(slot, avoided(problem, slot));
    if (agent == nullptr) continue;
    placement[slot] = agent->agent;
    burdens.add(slot, *agent);
  }
  return placement;
}

std::optional<std::string> other_place(const PlacementProblem& problem, const Slot& slot) {
  Burdens burdens(problem.agents);
  const Placement kept = keep(problem, burdens);
  const auto now = kept.find(slot);
  if (now != kept.end()) burdens.add(slot, *burdens.find(now->second), -1);
  const auto* agent = burdens.best(slot, now == kept.end() ? std::string() : now->second);
  if (agent == nullptr || agent->agent == avoided(problem, slot)) return std::nullopt;
  return agent->agent;
}

std::optional<std::pair<Slot, std::string>> move_apart(const PlacementProblem& problem,
                                                       const std::string& index) {
  Burdens burdens(problem.agents);
  const Placement kept = keep(problem, burdens);
  for (const auto& [slot, name] : kept) {
    if (slot.index != index) continue;
    const auto& from = *burdens.find(name);
    const auto here = burdens.neighbours(slot, from);
    if (here.second < 2 && here.first < 2) continue;
    burdens.add(slot, from, -1);
    const auto others = burdens.neighbours(slot, from);  // what it would find if it stayed
    const auto* to = burdens.best(slot, name);
    const bool better = to != nullptr && to->agent != avoided(problem, slot) &&
                        burdens.neighbours(slot, *to) < others;
    burdens.add(slot, from);
    if (better) return std::pair(slot, to->agent);
  }
  return std::nullopt;
}

std::int32_t thread_share(std::int32_t cores, std::int32_t slots) {
  return std::max(1, cores / std::max(1, slots));
}

}  // namespace rookery::actors
