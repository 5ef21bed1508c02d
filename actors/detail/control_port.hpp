#pragma once

#include <caf/all.hpp>
#include <caf/io/all.hpp>

#include <cstdint>
#include <string>

#include "actors/registry.hpp"

namespace rookery::actors::detail {

// The only place that opens or calls a control port: with keys CAF's plain functions would stay
// open beside TLS's (a check in the test run looks for them elsewhere).

/// Publishes over TLS when the system has keys. Fails for a port that is taken.
caf::expected<std::uint16_t> publish_control(caf::actor_system& system, const Registry& registry,
                                             std::uint16_t port, const std::string& address);
void unpublish_control(caf::actor_system& system, const Registry& registry, std::uint16_t port);

/// Takes `connect_atom`, host and port; over TLS when the system has keys.
caf::io::middleman_actor control_connector(caf::actor_system& system);

}  // namespace rookery::actors::detail
