#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "actors/slot.hpp"

namespace rookery::actors {

/// An agent that can take slots.
struct AgentCapacity {
  std::string agent;
  std::int32_t cores = 1;
  std::string host = {};
  std::int32_t slots_max = 0;  ///< 0: any number
  bool open = true;            ///< takes further slots; one that is drained only keeps what it has
};

using Placement = std::map<Slot, std::string>;  ///< slot → agent

/// What is to be placed, and where it may not be.
struct PlacementProblem {
  std::vector<Slot> slots;
  std::vector<AgentCapacity> agents;
  Placement current;     ///< as far as it names agents of `agents`, it stays
  Placement avoid = {};  ///< a slot that may go to any agent but this one
};

/// Gives every slot an agent. A slot whose agent of `current` is still there stays; the others go,
/// in order, to the agent whose host holds the fewest replicas of that shard (of that generation),
/// which itself holds the fewest, then to the one with the fewest slots per core, then the first by
/// name. What no agent can take is left out. Pure, deterministic.
Placement place(const PlacementProblem& problem);

/// Where this one slot of `current` would go if it were not there: another open agent, or nothing
/// when none can take it.
std::optional<std::string> other_place(const PlacementProblem& problem, const Slot& slot);

/// The first slot of an index that shares its host (or else its agent) with another replica of its
/// shard, though another agent would keep them apart, and that agent. Nothing when all are as far
/// apart as they can be.
std::optional<std::pair<Slot, std::string>> move_apart(const PlacementProblem& problem,
                                                       const std::string& index);

/// Search threads for each of `slots` processes on a host with `cores`, at least 1.
std::int32_t thread_share(std::int32_t cores, std::int32_t slots);

}  // namespace rookery::actors
