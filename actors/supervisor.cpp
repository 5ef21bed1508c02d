#include "actors/supervisor.hpp"

#include <utility>

#include "base/log.hpp"

namespace rookery::actors {

namespace {
constexpr auto kBeat = std::chrono::milliseconds(500);
constexpr auto kAnswerTimeout = std::chrono::seconds(2);
}  // namespace

ColonyPlan::ColonyPlan(WantedState wanted, NodeSpec node, SupervisorOptions options,
                       TimePoint start)
    : wanted_(std::move(wanted)), node_(std::move(node)), options_(options), start_(start) {}

void ColonyPlan::agent_came(const AgentHello& hello, TimePoint now) {
  auto& agent = agents_[hello.agent];
  agent.info = {hello.agent, hello.host, hello.pid, hello.cores, 0, true};
  agent.lost_since = now;
}

void ColonyPlan::agent_lost(const std::string& agent, TimePoint now) {
  const auto place = agents_.find(agent);
  if (place == agents_.end()) return;
  place->second.info.connected = false;
  place->second.lost_since = now;
}

bool ColonyPlan::replan(TimePoint now) {
  std::vector<AgentCapacity> able;
  for (const auto& [name, agent] : agents_) {
    if (agent.info.connected) able.push_back({name, agent.info.cores});
  }
  if (able.empty()) return false;  // nobody could take a slot, so all stay where they are
  // Agents that are away, but not for long, keep what they have: they may only be reconnecting.
  Placement away;
  for (const auto& [slot, name] : wanted_.placement) {
    const auto place = agents_.find(name);
    const bool connected = place != agents_.end() && place->second.info.connected;
    const auto since = place == agents_.end() ? start_ : place->second.lost_since;
    if (!connected && now - since < options_.agent_grace) away[slot] = name;
  }
  auto placement = place(wanted_.shards, wanted_.replicas, able, wanted_.placement);
  for (const auto& [slot, name] : away) {
    if (placement.contains(slot)) placement[slot] = name;
  }
  if (placement == wanted_.placement) return false;
  wanted_.placement = std::move(placement);
  return true;
}

Assignment ColonyPlan::assignment_of(const std::string& agent) const {
  Assignment assignment{wanted_.term, {}};
  for (const auto& [slot, name] : wanted_.placement) {
    if (name != agent) continue;
    auto spec = node_;
    spec.shard = slot.shard;
    spec.replica = slot.replica;
    spec.node = node_name(slot, wanted_.replicas);
    assignment.nodes.push_back(std::move(spec));
  }
  return assignment;
}

std::vector<AgentInfo> ColonyPlan::agents() const {
  std::vector<AgentInfo> list;
  for (const auto& [name, agent] : agents_) {
    list.push_back(agent.info);
    list.back().slots = static_cast<std::int32_t>(assignment_of(name).nodes.size());
  }
  return list;
}

SupervisorState::SupervisorState(Supervisor::pointer actor, SupervisorSetup supervisor_setup)
    : self(actor),
      setup(std::move(supervisor_setup)),
      plan(setup.wanted, setup.node, setup.options, actor->clock().now()) {}

Supervisor::behavior_type SupervisorState::make_behavior() {
  self->set_down_handler([this](caf::down_msg& down) { agent_down(down.source); });
  self->delayed_send(self, kBeat, beat_atom_v);
  return {
      [this](hello_atom, const AgentHello& hello) { return agent_came(hello); },
      [this](beat_atom) -> caf::result<void> {
        act();
        self->delayed_send(self, kBeat, beat_atom_v);
        return caf::unit;
      },
  };
}

caf::result<Welcome> SupervisorState::agent_came(const AgentHello& hello) {
  if (hello.wire != kWireVersion) return caf::make_error(Errc::kWrongVersion);
  if (!hello.colony.empty() && hello.colony != plan.wanted().colony) {
    return caf::make_error(Errc::kWrongColony);
  }
  const auto sender = self->current_sender();
  if (hello.agent.empty() || hello.agent.size() > 256 || hello.cores < 1 || !sender) {
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
  if (plan.replan(self->clock().now())) setup.save(plan.wanted());
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
