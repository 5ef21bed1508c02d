#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "actors/messages.hpp"
#include "actors/placement.hpp"
#include "actors/restart_policy.hpp"
#include "actors/status_board.hpp"
#include "actors/wanted_state.hpp"

namespace rookery::actors {

/// Compares wanted shards × replicas with what agents can run, and tells every agent its part.
using Supervisor = caf::typed_actor<
    // An agent has come (or come back); the sender is monitored. Its assignment follows.
    caf::result<Welcome>(hello_atom, AgentHello),
    // From itself: assignments that failed are sent again, slots of lost agents are given away.
    caf::result<void>(beat_atom)>;

/// Takes assignments; the agent actor's side that the supervisor sees.
using AssignmentSink = caf::typed_actor<
    // Idempotent: the newest term's last assignment wins, an older term's is ignored.
    caf::result<void>(assign_atom, Assignment)>;

struct SupervisorOptions {
  /// How long a lost agent keeps its slots when another could take them.
  std::chrono::milliseconds agent_grace{10'000};
};

/// The plan of the supervisor, without actors. Pure: times come from the caller.
class ColonyPlan {
 public:
  /// `node` is the pattern of all nodes: snapshot, generation, listen, limits.
  ColonyPlan(WantedState wanted, NodeSpec node, SupervisorOptions options, TimePoint start);
  void agent_came(const AgentHello& hello, TimePoint now);
  void agent_lost(const std::string& agent, TimePoint now);
  /// Places what has no place, or whose agent is lost for good; true when the placement changed.
  bool replan(TimePoint now);
  [[nodiscard]] Assignment assignment_of(const std::string& agent) const;
  [[nodiscard]] std::vector<AgentInfo> agents() const;
  [[nodiscard]] const WantedState& wanted() const { return wanted_; }

 private:
  struct Agent {
    AgentInfo info;
    TimePoint lost_since;
  };
  WantedState wanted_;
  NodeSpec node_;
  SupervisorOptions options_;
  TimePoint start_;
  std::map<std::string, Agent> agents_;
};

struct SupervisorSetup {
  WantedState wanted;
  NodeSpec node;
  SupervisorOptions options;
  /// Keeps the placement on disk: small and rare, yet it blocks, so the actor is spawned detached.
  std::function<void(const WantedState&)> save;
  std::function<void(std::vector<AgentInfo>)> on_agents;  ///< told after each change
};

struct SupervisorState {
  static inline const char* name = "rookery.supervisor";
  SupervisorState(Supervisor::pointer actor, SupervisorSetup supervisor_setup);
  Supervisor::behavior_type make_behavior();

  caf::result<Welcome> agent_came(const AgentHello& hello);
  void agent_down(const caf::actor_addr& address);
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
  std::map<std::string, Peer> peers;
};
using SupervisorActor = Supervisor::stateful_impl<SupervisorState>;

}  // namespace rookery::actors
