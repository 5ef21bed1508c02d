#pragma once

#include <functional>
#include <string>

#include "actors/messages.hpp"
#include "actors/node_lifecycle.hpp"
#include "actors/registry.hpp"
#include "retriever_pool/query_server.hpp"

namespace rookery::actors {

/// One shard's replica in the control plane. Loading and serving happen on other threads; this
/// actor tells the head about them, and every new head again.
using RetrievalActor = caf::typed_actor<
    // From the connector: a head was found; says hello.
    caf::result<void>(head_atom, caf::strong_actor_ptr),
    // From the loading thread: the shard is served at this endpoint.
    caf::result<void>(loaded_atom, std::string),
    // Tells the head that no new queries shall come; answers when the head knows, or is not there.
    caf::result<void>(drain_atom),
    // Says goodbye; answers as above.
    caf::result<void>(leave_atom),
    // From itself: reports the load.
    caf::result<void>(beat_atom)>;

struct RetrievalSetup {
  NodeHello hello;        ///< state and endpoint are filled in by the actor
  std::string http = {};  ///< the node's own pages, HOST:PORT
  std::function<retriever_pool::QueryServerLoad()> load;  ///< called once ready; must not block
  std::function<void()> seek_head;                        ///< to the connector; returns at once
  /// The head refused the first hello for good; `why` is a sentence for the user.
  std::function<void(const std::string& why)> refused;
};

struct RetrievalActorState {
  static inline const char* name = "rookery.retrieval_actor";
  RetrievalActorState(RetrievalActor::pointer actor, RetrievalSetup retrieval_setup);
  RetrievalActor::behavior_type make_behavior();

  void greet(const caf::strong_actor_ptr& head);
  void greeting_failed(const caf::error& error);
  void head_lost(const std::string& why);
  [[nodiscard]] NodeHello hello() const;
  [[nodiscard]] NodeReport report() const;
  void send_report();
  caf::result<void> drain();
  caf::result<void> leave();

  RetrievalActor::pointer self;
  RetrievalSetup setup;
  NodeLifecycle lifecycle;
  Registry registry;  ///< none while the head is down
  caf::strong_actor_ptr registry_pointer;
  bool joined = false;       ///< the present head knows us
  bool ever_joined = false;  ///< some head did: a later refusal is no reason to stop serving
};
using RetrievalActorActor = RetrievalActor::stateful_impl<RetrievalActorState>;

}  // namespace rookery::actors
