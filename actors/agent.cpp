#include "actors/agent.hpp"

#include <utility>

#include "base/log.hpp"

namespace rookery::actors {

namespace {
constexpr auto kAnswerTimeout = std::chrono::seconds(2);
}

AgentState::AgentState(Agent::pointer actor, AgentSetup agent_setup)
    : self(actor), setup(std::move(agent_setup)) {}

Agent::behavior_type AgentState::make_behavior() {
  self->set_down_handler([this](caf::down_msg& down) {
    if (registry_pointer && down.source == caf::actor_cast<caf::actor_addr>(registry_pointer)) {
      head_lost("its connection broke");
    }
  });
  setup.seek_head();
  return {
      [this](assign_atom, const Assignment& assignment) -> caf::result<void> {
        take(assignment);
        return caf::unit;
      },
      [this](head_atom, const caf::strong_actor_ptr& head) -> caf::result<void> {
        greet(head);
        return caf::unit;
      },
      [this](event_atom, const ProcessEvent& event) -> caf::result<void> {
        tell(event);
        return caf::unit;
      },
  };
}

void AgentState::greet(const caf::strong_actor_ptr& head) {
  registry_pointer = head;
  registry = caf::actor_cast<Registry>(head);
  self->monitor(head);
  self->request(registry, kAnswerTimeout, hello_atom_v, setup.hello)
      .then(
          [this, head](const Welcome& welcome) {
            if (registry_pointer != head) return;
            base::logger("actors")->info("agent {}: the head of term {} knows us",
                                         setup.hello.agent, welcome.term);
            for (const auto& event : setup.events()) tell(event);
          },
          [this, head](const caf::error& error) {
            if (registry_pointer == head) head_lost("it refused us: " + caf::to_string(error));
          });
}

void AgentState::head_lost(const std::string& why) {
  base::logger("actors")->warn("agent {}: the head is lost ({}); the nodes go on, looking for it",
                               setup.hello.agent, why);
  if (registry_pointer) self->demonitor(registry_pointer);
  registry_pointer = nullptr;
  registry = nullptr;
  setup.seek_head();
}

void AgentState::tell(const ProcessEvent& event) {
  if (!registry) return;  // the next head gets it with its greeting
  const auto head = registry_pointer;
  self->request(registry, kAnswerTimeout, event_atom_v, event)
      .then([] {},
            [this, head](const caf::error& error) {
              // A refusal is final; silence means that the connection is not what it seems.
              if (registry_pointer == head && error == caf::sec::request_timeout) {
                head_lost("it does not answer");
              }
            });
}

void AgentState::take(const Assignment& assignment) {
  if (assignment.term < term) return;  // the last words of an earlier head
  term = assignment.term;
  setup.assign(assignment.nodes);
}

}  // namespace rookery::actors
