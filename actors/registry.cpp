#include "actors/registry.hpp"

#include <iterator>
#include <utility>
#include <vector>

#include "base/log.hpp"

namespace rookery::actors {

namespace {
constexpr auto kBeat = std::chrono::milliseconds(200);
}

RegistryState::RegistryState(Registry::pointer actor, RegistrySetup registry_setup,
                             Supervisor supervisor)
    : self(actor),
      setup(std::move(registry_setup)),
      supervisor_handle(std::move(supervisor)),
      membership(setup.wanted, setup.options, actor->clock().now()) {}

Registry::behavior_type RegistryState::make_behavior() {
  self->set_down_handler([this](caf::down_msg& down) { node_down(down.source); });
  announce();
  self->delayed_send(self, kBeat, beat_atom_v);
  return {
      [this](probe_atom) -> caf::result<Welcome> { return welcome(); },
      [this](hello_atom, const NodeHello& hello) { return join(hello); },
      [this](report_atom, const NodeReport& node_report) { return report(node_report); },
      [this](leave_atom, const std::string& node, std::int64_t pid) -> caf::result<void> {
        membership.leave(node, pid);
        announce();
        return caf::unit;
      },
      [this](hello_atom, const AgentHello& hello) -> caf::result<Welcome> {
        return self->delegate(supervisor_handle, hello_atom_v, hello);
      },
      [this](event_atom, const ProcessEvent& event) -> caf::result<void> {
        take_wanted();
        const auto refused = membership.process_event(event);
        announce();
        if (refused) return caf::make_error(*refused);
        return caf::unit;
      },
      [this](beat_atom) -> caf::result<void> {
        bury_the_dead();
        membership.tick(self->clock().now());
        announce();
        self->delayed_send(self, kBeat, beat_atom_v);
        return caf::unit;
      },
  };
}

Welcome RegistryState::welcome() const {
  return {kWireVersion, membership.view().colony, membership.view().term};
}

void RegistryState::take_wanted() {
  if (const auto wanted = setup.board->wanted_since(wanted_version)) {
    membership.want(*wanted, self->clock().now());
  }
}

caf::result<Welcome> RegistryState::join(const NodeHello& hello) {
  take_wanted();  // the supervisor wanted this node before anyone could start it
  if (const auto refused = membership.join(hello)) {
    base::logger("actors")->warn("head: refused {} (shard {}, replica {}): {}", hello.node,
                                 hello.shard, hello.replica, to_string(*refused));
    return caf::make_error(*refused);
  }
  if (const auto sender = self->current_sender()) {
    const auto address = caf::actor_cast<caf::actor_addr>(sender);
    Peer peer{
        hello.node, {static_cast<pid_t>(hello.pid), hello.start_ticks, hello.boot}, hello.host};
    // The end of an earlier connection of this node is no news of the present one.
    for (auto place = peers.begin(); place != peers.end();) {
      const bool earlier = place->second.node == hello.node && place->first != address;
      if (earlier) self->demonitor(place->first);
      place = earlier ? peers.erase(place) : std::next(place);
    }
    // A second monitor of one actor would bring a second DOWN.
    if (peers.insert_or_assign(address, std::move(peer)).second) self->monitor(sender);
  }
  announce();
  return welcome();
}

caf::result<void> RegistryState::report(const NodeReport& node_report) {
  if (const auto refused = membership.report(node_report)) return caf::make_error(*refused);
  announce();
  return caf::unit;
}

void RegistryState::node_down(const caf::actor_addr& address) {
  const auto place = peers.find(address);
  if (place == peers.end()) return;
  const Peer peer = place->second;
  peers.erase(place);
  const bool dead = peer.host == setup.host && setup.is_dead && setup.is_dead(peer.process);
  base::logger("actors")->warn("head: lost {} (pid {}), {}", peer.node, peer.process.pid,
                               dead ? "it has died" : "perhaps only its connection");
  membership.lost(peer.node, peer.process.pid, dead, self->clock().now());
  announce();
}

void RegistryState::bury_the_dead() {
  std::vector<std::pair<std::string, std::int64_t>> dead;
  for (const auto& [slot, member] : membership.members()) {
    const auto& view = member.view;
    if (member.in_contact || view.pid == 0 || view.host != setup.host || !setup.is_dead) continue;
    if (setup.is_dead({static_cast<pid_t>(view.pid), member.start_ticks, member.boot})) {
      dead.emplace_back(view.node, view.pid);
    }
  }
  for (const auto& [node, pid] : dead) membership.lost(node, pid, true, self->clock().now());
}

void RegistryState::announce() {
  take_wanted();
  setup.board->update(membership);
  if (membership.publishable(self->clock().now())) setup.publish(membership.view());
}

}  // namespace rookery::actors
