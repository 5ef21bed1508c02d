#pragma once

#include <gtest/gtest.h>

#include <caf/all.hpp>
#include <caf/scheduler/test_coordinator.hpp>

#include <chrono>

#include "actors/detail/system.hpp"

namespace rookery::testing {

/// An actor system without sockets and threads: messages run one by one when the test says so, on a
/// clock that the test moves.
class DeterministicSystem : public ::testing::Test {
 protected:
  class Config : public caf::actor_system_config {
   public:
    Config() {
      actors::detail::register_message_types();
      set("caf.scheduler.policy", "testing");
    }
  };

  ~DeterministicSystem() override { run(); }

  caf::scheduler::test_coordinator& scheduler() {
    return dynamic_cast<caf::scheduler::test_coordinator&>(system.scheduler());
  }
  /// Until no message waits.
  void run() { scheduler().run(); }
  /// Moves the clock; what becomes due is run.
  void pass(std::chrono::milliseconds time) {
    scheduler().advance_time(time);
    run();
  }
  /// Asks as `asker`; the actor's answer, or its error.
  template <class Answer, class Handle, class... Parts>
  caf::expected<Answer> ask_as(caf::scoped_actor& asker, const Handle& actor, Parts... parts) {
    caf::expected<Answer> result = caf::make_error(caf::sec::runtime_error);
    auto request = asker->request(actor, caf::infinite, std::move(parts)...);
    run();
    request.receive([&](Answer& answer) { result = std::move(answer); },
                    [&](caf::error& error) { result = std::move(error); });
    return result;
  }
  /// The same for a handler that answers nothing; the error, if any.
  template <class Handle, class... Parts>
  caf::error tell_as(caf::scoped_actor& asker, const Handle& actor, Parts... parts) {
    caf::error result;
    auto request = asker->request(actor, caf::infinite, std::move(parts)...);
    run();
    request.receive([] {}, [&](caf::error& error) { result = std::move(error); });
    return result;
  }

  Config config;
  caf::actor_system system{config};
};

}  // namespace rookery::testing
