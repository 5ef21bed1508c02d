#include "actors/detail/control_port.hpp"

#include <caf/openssl/all.hpp>

#include <chrono>

namespace rookery::actors::detail {

caf::expected<std::uint16_t> publish_control(caf::actor_system& system, const Registry& registry,
                                             std::uint16_t port, const std::string& address) {
  if (system.has_openssl_manager()) {
    return caf::openssl::publish(registry, port, address.c_str(), true);
  }
  return system.middleman().publish(registry, port, address.c_str(), true);
}

void unpublish_control(caf::actor_system& system, const Registry& registry, std::uint16_t port) {
  if (!system.has_openssl_manager()) {
    system.middleman().unpublish(registry, port);
    return;
  }
  const caf::scoped_actor self(system);
  self->request(control_connector(system), std::chrono::seconds(1), caf::unpublish_atom_v,
                caf::actor_cast<caf::actor_addr>(registry), port)
      .receive([] {}, [](const caf::error&) {});
}

caf::io::middleman_actor control_connector(caf::actor_system& system) {
  return system.has_openssl_manager() ? system.openssl_manager().actor_handle()
                                      : system.middleman().actor_handle();
}

}  // namespace rookery::actors::detail
