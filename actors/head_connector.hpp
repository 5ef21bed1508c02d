#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "actors/messages.hpp"

namespace rookery::actors {

/// A head that answered.
struct HeadContact {
  caf::strong_actor_ptr registry;
  Welcome welcome;
};

/// Where the head listens now, `HOST:PORT`; nothing when nobody knows. Called from the connector's
/// thread each time anew, for a new head may have another port.
using HeadAddress = std::function<std::optional<std::string>()>;

/// One attempt, at most about 4 s: probe of the port (CAF's own connect knows no timeout), CAF's
/// handshake, and a question that must be answered (a stale connection connects, but is silent).
/// On failure the reason goes to `why`.
std::optional<HeadContact> connect_to_head(caf::actor_system& system, const std::string& address,
                                           std::string& why);

/// Finds the head again and again, on a thread of its own, because connecting blocks.
class HeadConnector {
 public:
  HeadConnector(caf::actor_system& system, HeadAddress address,
                std::function<void(const HeadContact&)> found);
  ~HeadConnector();  ///< Waits for an attempt under way.
  /// Look for the head until it is found. Any thread; while it looks already, nothing changes.
  void seek();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// The control address in the colony's `head.json` on this host, else `given`; either may be empty.
HeadAddress head_address(const std::string& colony, const std::string& given);

/// Looks for the head until `timeout`; throws `UserError` naming the address and the reason.
HeadContact find_head(caf::actor_system& system, const HeadAddress& address,
                      std::chrono::milliseconds timeout);

}  // namespace rookery::actors
