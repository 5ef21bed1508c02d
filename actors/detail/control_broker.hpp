#pragma once

#include <caf/all.hpp>
#include <caf/io/all.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace rookery::actors::detail {

/// What strangers on a control port may cost. CAF itself waits for ever for the first bytes of a
/// peer, and sets aside whatever size a header claims.
struct ControlLimits {
  std::chrono::milliseconds handshake{4'000};   ///< a connection without one is closed then
  std::size_t strangers_max = 64;               ///< connections without one; the oldest goes
  std::uint32_t stranger_bytes_max = 64 << 10;  ///< of one message before the handshake
  std::uint32_t peer_bytes_max = 16 << 20;      ///< and after it
};

/// CAF's I/O module, whose connections (plain or TLS) keep these limits. For
/// `actor_system_config::module_factories`; the caller adds the module's options.
caf::actor_system::module* make_control_middleman(caf::actor_system& system,
                                                  const ControlLimits& limits);

}  // namespace rookery::actors::detail
