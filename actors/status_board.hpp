#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "actors/membership.hpp"
#include "actors/wanted_state.hpp"

namespace rookery::actors {

/// What the supervisor knows of the agents, for people.
struct AgentInfo {
  std::string agent, host;
  std::int64_t pid = 0;
  std::int32_t cores = 0, slots = 0;
  bool connected = false;
  std::int32_t slots_max = 0;  ///< 0: any number
  bool drained = false;
};

/// What the registry knows of one slot's process, for the supervisor.
struct NodeState {
  bool ready = false;    ///< in contact, and serving
  bool serving = false;  ///< clients may be asking it, in contact with the head or not
  std::int64_t run = 0;  ///< as `NodeSpec::run`
  bool crash_loop = false;
  std::string reason = {};         ///< of its last end
  std::int64_t queue_wait_us = 0;  ///< p95 of late
};
using NodeStates = std::map<Slot, NodeState>;

/// What registry and supervisor tell each other and the threads that answer people (HTTP).
/// Thread-safe.
class StatusBoard {
 public:
  void update(const Membership& membership);
  void update_agents(std::vector<AgentInfo> agents);
  /// What the supervisor wants from now on. It must be here before an agent hears of it, so that
  /// the registry knows a node when it says hello.
  void want(const WantedState& wanted);
  /// What is wanted, when it is newer than `version`, which becomes its version.
  [[nodiscard]] std::optional<WantedMembers> wanted_since(std::uint64_t& version) const;
  /// What the registry knows of every slot.
  [[nodiscard]] NodeStates node_states() const;
  /// `/v1/view`: the routing view, as clients get it.
  [[nodiscard]] std::string view_json() const;
  /// `/v1/status`: the view, with agents, reasons and restarts.
  [[nodiscard]] std::string status_json() const;
  /// Every wanted replica is ready.
  [[nodiscard]] bool complete() const;
  /// Every shard is served.
  [[nodiscard]] bool ready() const;
  [[nodiscard]] retriever_pool::RoutingView view() const;

 private:
  mutable std::mutex mutex_;
  retriever_pool::RoutingView view_;
  std::map<Slot, Membership::Member> members_;
  std::vector<AgentInfo> agents_;
  WantedMembers wanted_;
  std::vector<Operation> operations_;
  std::uint64_t wanted_version_ = 0;
};

}  // namespace rookery::actors
