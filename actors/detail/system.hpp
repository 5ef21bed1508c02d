#pragma once

#include <caf/all.hpp>
#include <caf/io/all.hpp>

#include <cstdint>
#include <string>

#include "actors/detail/control_broker.hpp"
#include "base/http_server.hpp"

namespace rookery::actors::detail {

/// One process's actor system with our settings; reads no file and no argument of its own.
class SystemConfig : public caf::actor_system_config {
 public:
  /// With `tls`, control ports ask every peer for a certificate of its authority; CAF looks at no
  /// host name, and reads the files again for every connection.
  explicit SystemConfig(const base::TlsFiles& tls = {}, const ControlLimits& limits = {});
};

/// Registers our message types; before the first actor system of the process. Idempotent.
void register_message_types();

/// `127.0.0.1:4711` taken apart. Throws `UserError` naming `what` otherwise.
struct HostPort {
  std::string host;
  std::uint16_t port = 0;
};
HostPort parse_host_port(const std::string& text, const std::string& what);

/// This host's name.
std::string host_name();

}  // namespace rookery::actors::detail
