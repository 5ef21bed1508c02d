#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "actors/colony_autoscale.hpp"
#include "actors/colony_plan.hpp"
#include "actors/messages.hpp"

namespace rookery::actors {

/// Compares what is wanted with what agents can run, and tells every agent its part.
using Supervisor = caf::typed_actor<
    // An agent has come (or come back); the sender is monitored. Its assignment follows.
    caf::result<Welcome>(hello_atom, AgentHello),
    // From itself: assignments that failed are sent again, slots of lost agents are given away, and
    // what takes time goes on by a step.
    caf::result<void>(beat_atom),
    // From this process (`ColonyControl`): changes the plan; its agents hear of it at once.
    caf::result<AdminReply>(order_atom, PlanOrder)>;

/// Takes assignments; the agent actor's side that the supervisor sees.
using AssignmentSink = caf::typed_actor<
    // Idempotent: the newest term's last assignment wins, an older term's is ignored.
    caf::result<void>(assign_atom, Assignment)>;

struct SupervisorSetup {
  WantedState wanted;
  NodeSpec node;  ///< what all nodes share: listen, threads, limits
  SupervisorOptions options;
  /// What the registry knows of the nodes; must not block. None: nothing is stopped on purpose.
  std::function<NodeStates()> states;
  /// Told after each change of what is wanted, before any agent is; must not block.
  std::function<void(const WantedState&)> on_wanted;
  /// Keeps what is wanted on disk: small and rare, yet it blocks, so the actor is spawned detached.
  std::function<void(const WantedState&)> save;
  std::function<void(std::vector<AgentInfo>)> on_agents;  ///< told after each change
  AutoscaleOptions autoscale = {};                        ///< off
};

struct SupervisorState {
  static inline const char* name = "rookery.supervisor";
  SupervisorState(Supervisor::pointer actor, SupervisorSetup supervisor_setup);
  Supervisor::behavior_type make_behavior();

  caf::result<Welcome> agent_came(const AgentHello& hello);
  void agent_down(const caf::actor_addr& address);
  AdminReply order(const PlanOrder& order);
  /// Replans, tells agents whose part has changed, and the board who is there.
  void act();
  void assign(const std::string& agent);

  struct Peer {
    caf::strong_actor_ptr handle;
    std::optional<Assignment> confirmed;  ///< what it last said it does
    bool asked = false;                   ///< an assignment is on its way
  };
  Supervisor::pointer self;
  SupervisorSetup setup;
  ColonyPlan plan;
  ColonyAutoscale autoscale;
  std::map<std::string, Peer> peers;
};
using SupervisorActor = Supervisor::stateful_impl<SupervisorState>;

}  // namespace rookery::actors
