#include "actors/placement.hpp"

#include <algorithm>
#include <tuple>

namespace rookery::actors {

std::string node_name(const Slot& slot, std::int32_t replicas) {
  return "node-" + std::to_string(std::int64_t{slot.shard} * replicas + slot.replica + 1);
}

Placement place(std::int32_t shards, std::int32_t replicas,
                const std::vector<AgentCapacity>& agents, const Placement& current) {
  Placement placement;
  if (agents.empty()) return placement;
  std::map<std::string, std::int32_t> slots_of;
  std::map<std::pair<std::string, std::int32_t>, std::int32_t> replicas_of;
  const auto give = [&](const Slot& slot, const std::string& agent) {
    placement[slot] = agent;
    ++slots_of[agent];
    ++replicas_of[{agent, slot.shard}];
  };
  const auto known = [&](const std::string& name) {
    return std::any_of(agents.begin(), agents.end(),
                       [&](const AgentCapacity& agent) { return agent.agent == name; });
  };
  for (const auto& [slot, agent] : current) {
    if (slot.shard < shards && slot.replica < replicas && known(agent)) give(slot, agent);
  }
  for (Slot slot{0, 0}; slot.shard < shards; ++slot.shard) {
    for (slot.replica = 0; slot.replica < replicas; ++slot.replica) {
      if (placement.contains(slot)) continue;
      const auto burden = [&](const AgentCapacity& agent) {
        const std::int32_t cores = std::max(agent.cores, 1);
        return std::tuple(replicas_of[{agent.agent, slot.shard}],
                          std::int64_t{slots_of[agent.agent]} * 1'000 / cores, agent.agent);
      };
      const auto best = std::min_element(
          agents.begin(), agents.end(),
          [&](const AgentCapacity& a, const AgentCapacity& b) { return burden(a) < burden(b); });
      give(slot, best->agent);
    }
  }
  return placement;
}

std::int32_t thread_share(std::int32_t cores, std::int32_t slots) {
  return std::max(1, cores / std::max(1, slots));
}

}  // namespace rookery::actors
