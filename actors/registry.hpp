#pragma once

#include <functional>
#include <memory>
#include <map>
#include <string>

#include "actors/membership.hpp"
#include "actors/messages.hpp"
#include "actors/process_identity.hpp"
#include "actors/status_board.hpp"
#include "actors/supervisor.hpp"

namespace rookery::actors {

/// The head's front desk, published on the control port: knows who is in the colony and tells
/// clients. Nodes talk to it; what agents say goes on to the supervisor.
using Registry = caf::typed_actor<
    // Who answers here? For a connection that was just made.
    caf::result<Welcome>(probe_atom),
    // Idempotent; the sender is monitored. Fails with Errc as `Membership::join`.
    caf::result<Welcome>(hello_atom, NodeHello),
    // Fails with Errc::kNotJoined until the node has said hello in this term.
    caf::result<void>(report_atom, NodeReport),
    // A node's goodbye: name and pid.
    caf::result<void>(leave_atom, std::string, std::int64_t),
    // Delegated to the supervisor.
    caf::result<Welcome>(hello_atom, AgentHello),
    // What an agent saw happen to a process.
    caf::result<void>(event_atom, ProcessEvent),
    // From itself: lets suspicions ripen.
    caf::result<void>(beat_atom)>;

struct RegistrySetup {
  retriever_pool::RoutingView wanted;  ///< as `Membership`
  MembershipOptions options;
  std::shared_ptr<StatusBoard> board;  ///< shared with the HTTP threads
  /// Called from the actor when clients may have a new view; must not block.
  std::function<void(const retriever_pool::RoutingView&)> publish;
  /// Is this process of this host dead? Called for nodes out of contact; reads /proc only.
  std::function<bool(const ProcessIdentity&)> is_dead;
  std::string host;  ///< this host, where `is_dead` can tell
};

struct RegistryState {
  static inline const char* name = "rookery.registry";
  RegistryState(Registry::pointer actor, RegistrySetup registry_setup, Supervisor supervisor);
  Registry::behavior_type make_behavior();

  caf::result<Welcome> join(const NodeHello& hello);
  caf::result<void> report(const NodeReport& report);
  void node_down(const caf::actor_addr& address);
  /// Looks again at lost nodes of this host: a killed process closes its sockets a moment before it
  /// counts as dead.
  void bury_the_dead();
  /// Looks whether the supervisor wants something else by now.
  void take_wanted();
  /// Board and clients learn what has changed.
  void announce();
  [[nodiscard]] Welcome welcome() const;

  struct Peer {
    std::string node;
    ProcessIdentity process;
    std::string host;
  };
  Registry::pointer self;
  RegistrySetup setup;
  Supervisor supervisor_handle;
  Membership membership;
  std::uint64_t wanted_version = 0;       ///< of the board's wanted members that membership has
  std::map<caf::actor_addr, Peer> peers;  ///< monitored nodes
};
using RegistryActor = Registry::stateful_impl<RegistryState>;

}  // namespace rookery::actors
