#pragma once

#include <functional>
#include <string>
#include <vector>

#include "actors/messages.hpp"
#include "actors/registry.hpp"
#include "actors/supervisor.hpp"

namespace rookery::actors {

/// Speaks for one host: passes assignments to the process keeper and its events to the head.
/// Without a head the processes go on; a new head is told everything again.
using Agent = AssignmentSink::extend<
    // From the connector: a head was found; says hello.
    caf::result<void>(head_atom, caf::strong_actor_ptr),
    // From the keeper: a process started or ended.
    caf::result<void>(event_atom, ProcessEvent)>;

struct AgentSetup {
  AgentHello hello;
  std::function<void(const std::vector<NodeSpec>&)> assign;  ///< to the keeper; returns at once
  std::function<std::vector<ProcessEvent>()> events;         ///< all that a new head must know
  std::function<void()> seek_head;                           ///< to the connector; returns at once
};

struct AgentState {
  static inline const char* name = "rookery.agent";
  AgentState(Agent::pointer actor, AgentSetup agent_setup);
  Agent::behavior_type make_behavior();

  void greet(const caf::strong_actor_ptr& head);
  void head_lost(const std::string& why);
  void tell(const ProcessEvent& event);
  void take(const Assignment& assignment);

  Agent::pointer self;
  AgentSetup setup;
  Registry registry;  ///< none while the head is down
  caf::strong_actor_ptr registry_pointer;
  std::uint64_t term = 0;  ///< the newest that gave us an assignment
};
using AgentActor = Agent::stateful_impl<AgentState>;

}  // namespace rookery::actors
