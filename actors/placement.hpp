#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace rookery::actors {

/// One wanted process: replica `replica` of shard `shard`.
struct Slot {
  std::int32_t shard = 0, replica = 0;
  friend auto operator<=>(const Slot&, const Slot&) = default;
};

/// `node-1` … `node-(shards·replicas)`, replicas of a shard beside each other.
std::string node_name(const Slot& slot, std::int32_t replicas);

/// An agent that can take slots.
struct AgentCapacity {
  std::string agent;
  std::int32_t cores = 1;
};

using Placement = std::map<Slot, std::string>;  ///< slot → agent

/// Gives every slot of shards × replicas to an agent. A slot whose agent of `current` is still
/// there stays; the others go, in order, to the agent that holds the fewest replicas of that shard,
/// then the fewest slots per core, then the first by name. Empty without agents. Pure,
/// deterministic.
Placement place(std::int32_t shards, std::int32_t replicas,
                const std::vector<AgentCapacity>& agents, const Placement& current);

/// Search threads for each of `slots` processes on a host with `cores`, at least 1.
std::int32_t thread_share(std::int32_t cores, std::int32_t slots);

}  // namespace rookery::actors
