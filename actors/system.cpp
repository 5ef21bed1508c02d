#include <unistd.h>

#include <caf/openssl/all.hpp>

#include <charconv>
#include <mutex>
#include <vector>

#include "actors/detail/system.hpp"
#include "actors/messages.hpp"
#include "base/descriptor_limit.hpp"
#include "base/error.hpp"

namespace rookery::actors::detail {

void register_message_types() {
  static std::once_flag once;
  std::call_once(once, [] {
    caf::init_global_meta_objects<caf::id_block::rookery_actors>();
    caf::openssl::manager::init_global_meta_objects();
    caf::io::middleman::init_global_meta_objects();
    caf::core::init_global_meta_objects();
  });
}

SystemConfig::SystemConfig(const base::TlsFiles& tls, const ControlLimits& limits) {
  base::raise_descriptor_limit();  // every process of a colony comes by here
  register_message_types();
  caf::io::middleman::add_module_options(*this);
  module_factories.emplace_back(
      [limits](caf::actor_system& system) { return make_control_middleman(system, limits); });
  // Never without certificates: CAF would then take anonymous ciphers.
  if (!tls.empty()) {
    load<caf::openssl::manager>();
    openssl_certificate = tls.certificate.string();
    openssl_key = tls.key.string();
    openssl_cafile = tls.authority.string();
  }
  // Sharing wakes a thread in 111 µs where stealing takes 273 µs on two cores; control needs few.
  set("caf.scheduler.policy", "sharing");
  set("caf.scheduler.max-threads", 2);
  set("caf.middleman.workers", 1);
  // A frozen peer is noticed after 5 s (default 30 s). Much shorter intervals would kill fresh
  // connections whose handshake is slower than a heartbeat.
  set("caf.middleman.heartbeat-interval", caf::timespan(std::chrono::seconds(1)));
  set("caf.middleman.connection-timeout", caf::timespan(std::chrono::seconds(5)));
  set("caf.middleman.app-identifiers", std::vector<std::string>{"rookery"});
  set("caf.middleman.enable-automatic-connections", false);
}

HostPort parse_host_port(const std::string& text, const std::string& what) {
  const auto colon = text.rfind(':');
  HostPort parsed;
  if (colon != std::string::npos && colon > 0) {
    const auto* begin = text.data() + colon + 1;
    const auto* end = text.data() + text.size();
    const auto [rest, error] = std::from_chars(begin, end, parsed.port);
    if (error == std::errc() && rest == end && parsed.port != 0) {
      parsed.host = text.substr(0, colon);
      return parsed;
    }
  }
  throw base::UserError(what + ": expected HOST:PORT such as 127.0.0.1:7069, got '" + text + "'");
}

std::string host_name() {
  char buffer[256] = {};
  if (gethostname(buffer, sizeof buffer - 1) != 0) return "localhost";
  return buffer;
}

}  // namespace rookery::actors::detail
