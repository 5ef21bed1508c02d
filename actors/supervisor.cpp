#include "actors/supervisor.hpp"

#include <stdexcept>
#include <utility>

#include "base/log.hpp"

namespace rookery::actors {

namespace {
constexpr auto kBeat = std::chrono::milliseconds(200);
constexpr auto kAnswerTimeout = std::chrono::seconds(2);
}  // namespace

SupervisorState::SupervisorState(Supervisor::pointer actor, SupervisorSetup supervisor_setup)
    : self(actor),
      setup(std::move(supervisor_setup)),
      plan(setup.wanted, setup.node, setup.options, actor->clock().now()),
      autoscale(setup.autoscale) {}

Supervisor::behavior_type SupervisorState::make_behavior() {
  self->set_down_handler([this](caf::down_msg& down) { agent_down(down.source); });
  self->delayed_send(self, kBeat, beat_atom_v);
  act();
  return {
      [this](hello_atom, const AgentHello& hello) { return agent_came(hello); },
      [this](beat_atom) -> caf::result<void> {
        act();
        self->delayed_send(self, kBeat, beat_atom_v);
        return caf::unit;
      },
      [this](order_atom, const PlanOrder& wish) -> caf::result<AdminReply> { return order(wish); },
  };
}

AdminReply SupervisorState::order(const PlanOrder& order) {
  try {
    auto reply = order.apply(plan);
    act();
    return reply;
  } catch (const std::invalid_argument& error) {
    return {400, error.what()};
  }
}

caf::result<Welcome> SupervisorState::agent_came(const AgentHello& hello) {
  if (hello.wire != kWireVersion) return caf::make_error(Errc::kWrongVersion);
  if (!hello.colony.empty() && hello.colony != plan.wanted().colony) {
    return caf::make_error(Errc::kWrongColony);
  }
  const auto sender = self->current_sender();
  if (hello.agent.empty() || hello.agent.size() > 256 || hello.cores < 1 || hello.slots_max < 0 ||
      !sender) {
    return caf::make_error(Errc::kInvalid);
  }
  auto& peer = peers[hello.agent];
  if (peer.handle != sender) {
    if (peer.handle) self->demonitor(peer.handle);
    self->monitor(sender);
    base::logger("actors")->info("head: agent {} on {} is here ({} cores)", hello.agent, hello.host,
                                 hello.cores);
  }
  peer = Peer{sender, std::nullopt, false};
  plan.agent_came(hello, self->clock().now());
  act();
  return Welcome{kWireVersion, plan.wanted().colony, plan.wanted().term};
}

void SupervisorState::agent_down(const caf::actor_addr& address) {
  for (auto place = peers.begin(); place != peers.end(); ++place) {
    if (caf::actor_cast<caf::actor_addr>(place->second.handle) != address) continue;
    base::logger("actors")->warn("head: lost agent {}", place->first);
    plan.agent_lost(place->first, self->clock().now());
    peers.erase(place);
    break;
  }
  act();
}

void SupervisorState::act() {
  const auto now = self->clock().now();
  plan.replan(now);
  if (setup.states) {
    const auto states = setup.states();
    const bool stepped = plan.advance(states, now);
    if (autoscale.step(plan, states, now) || stepped) plan.replan(now);
  }
  if (plan.take_change()) {
    setup.save(plan.wanted());
    if (setup.on_wanted) setup.on_wanted(plan.wanted());
  }
  for (auto& [agent, peer] : peers) {
    if (!peer.asked && (!peer.confirmed || *peer.confirmed != plan.assignment_of(agent))) {
      assign(agent);
    }
  }
  setup.on_agents(plan.agents());
}

void SupervisorState::assign(const std::string& agent) {
  auto& peer = peers.at(agent);
  peer.asked = true;
  const auto assignment = plan.assignment_of(agent);
  const auto handle = peer.handle;
  const auto still_there = [this, agent, handle]() -> Peer* {
    const auto place = peers.find(agent);
    return place == peers.end() || place->second.handle != handle ? nullptr : &place->second;
  };
  self->request(caf::actor_cast<AssignmentSink>(handle), kAnswerTimeout, assign_atom_v, assignment)
      .then(
          [still_there, assignment] {
            if (auto* there = still_there()) {
              there->asked = false;
              there->confirmed = assignment;
            }
          },
          [still_there, agent](const caf::error& error) {
            base::logger("actors")->warn("head: agent {} did not take its assignment: {}", agent,
                                         caf::to_string(error));
            if (auto* there = still_there()) there->asked = false;  // the next beat tries again
          });
}

}  // namespace rookery::actors
