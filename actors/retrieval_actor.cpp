#include "actors/retrieval_actor.hpp"

#include <utility>

#include "base/log.hpp"

namespace rookery::actors {

namespace {

constexpr auto kBeat = std::chrono::milliseconds(500);
constexpr auto kAnswerTimeout = std::chrono::seconds(2);
constexpr auto kGoodbyeTimeout = std::chrono::milliseconds(500);

}  // namespace

RetrievalActorState::RetrievalActorState(RetrievalActor::pointer actor,
                                         RetrievalSetup retrieval_setup)
    : self(actor), setup(std::move(retrieval_setup)) {
  lifecycle.begin_loading();
}

RetrievalActor::behavior_type RetrievalActorState::make_behavior() {
  self->set_down_handler([this](caf::down_msg& down) {
    if (registry_pointer && down.source == caf::actor_cast<caf::actor_addr>(registry_pointer)) {
      head_lost("its connection broke");
    }
  });
  setup.seek_head();
  self->delayed_send(self, kBeat, beat_atom_v);
  return {
      [this](head_atom, const caf::strong_actor_ptr& head) -> caf::result<void> {
        greet(head);
        return caf::unit;
      },
      [this](loaded_atom, const std::string& endpoint) -> caf::result<void> {
        if (lifecycle.loaded(endpoint)) send_report();
        return caf::unit;
      },
      [this](drain_atom) { return drain(); },
      [this](leave_atom) { return leave(); },
      [this](beat_atom) -> caf::result<void> {
        send_report();
        self->delayed_send(self, kBeat, beat_atom_v);
        return caf::unit;
      },
  };
}

NodeHello RetrievalActorState::hello() const {
  auto filled = setup.hello;
  filled.state = static_cast<std::uint8_t>(lifecycle.state());
  filled.endpoint = lifecycle.endpoint();
  return filled;
}

NodeReport RetrievalActorState::report() const {
  NodeReport filled;
  filled.node = setup.hello.node;
  filled.pid = setup.hello.pid;
  filled.state = static_cast<std::uint8_t>(lifecycle.state());
  filled.endpoint = lifecycle.endpoint();
  filled.http = setup.http;
  if (!lifecycle.endpoint().empty()) {
    const auto load = setup.load();
    filled.queue = load.queue;
    filled.served = load.served;
    filled.refused = load.refused;
    filled.queue_wait_us = load.queue_wait_us;
    filled.p50_us = load.p50_us;
    filled.p99_us = load.p99_us;
  }
  return filled;
}

void RetrievalActorState::greet(const caf::strong_actor_ptr& head) {
  registry_pointer = head;
  registry = caf::actor_cast<Registry>(head);
  joined = false;
  self->monitor(head);
  const auto said = lifecycle.state();
  self->request(registry, kAnswerTimeout, hello_atom_v, hello())
      .then(
          [this, head, said](const Welcome& welcome) {
            if (registry_pointer != head) return;
            joined = ever_joined = true;
            base::logger("actors")->info("{}: the head of term {} knows us", setup.hello.node,
                                         welcome.term);
            if (lifecycle.state() != said) send_report();  // it changed on the way
          },
          [this, head](const caf::error& error) {
            if (registry_pointer == head) greeting_failed(error);
          });
}

void RetrievalActorState::greeting_failed(const caf::error& error) {
  const bool final_refusal =
      error.category() == caf::type_id_v<Errc> && error != caf::make_error(Errc::kSlotTaken);
  if (final_refusal && !ever_joined) {
    setup.refused(setup.hello.node +
                  ": the head refused this node: " + to_string(static_cast<Errc>(error.code())));
    return;
  }
  head_lost("it refused us: " + caf::to_string(error));
}

void RetrievalActorState::head_lost(const std::string& why) {
  base::logger("actors")->warn("{}: the head is lost ({}); serving goes on, looking for it",
                               setup.hello.node, why);
  if (registry_pointer) self->demonitor(registry_pointer);
  registry_pointer = nullptr;
  registry = nullptr;
  joined = false;
  setup.seek_head();
}

void RetrievalActorState::send_report() {
  if (!joined) return;  // the hello carries the state
  const auto head = registry_pointer;
  self->request(registry, kAnswerTimeout, report_atom_v, report())
      .then([] {},
            [this, head](const caf::error& error) {
              if (registry_pointer == head) head_lost("a report failed: " + caf::to_string(error));
            });
}

caf::result<void> RetrievalActorState::drain() {
  lifecycle.drain();
  if (!joined) return caf::unit;
  auto promise = self->make_response_promise<void>();
  self->request(registry, kGoodbyeTimeout, report_atom_v, report())
      .then([promise]() mutable { promise.deliver(); },
            [promise](const caf::error&) mutable { promise.deliver(); });
  return promise;
}

caf::result<void> RetrievalActorState::leave() {
  lifecycle.leave();
  if (!joined) return caf::unit;
  joined = false;
  auto promise = self->make_response_promise<void>();
  self->request(registry, kGoodbyeTimeout, leave_atom_v, setup.hello.node, setup.hello.pid)
      .then([promise]() mutable { promise.deliver(); },
            [promise](const caf::error&) mutable { promise.deliver(); });
  return promise;
}

}  // namespace rookery::actors
