#pragma once

#include <functional>
#include <string>

#include "actors/admin_desk.hpp"
#include "actors/supervisor.hpp"
#include "actors/wanted_state.hpp"

namespace rookery::actors {

/// How threads of the head's process (HTTP, a swap under way) change what is wanted: each call goes
/// through the supervisor and comes back within seconds. Progress is seen on the `StatusBoard`.
/// Copyable; any thread.
class ColonyControl {
 public:
  ColonyControl(caf::actor_system& system, Supervisor supervisor)
      : system_(&system), supervisor_(std::move(supervisor)) {}

  /// As `ColonyPlan::order`; 503 when the head is going down.
  [[nodiscard]] AdminReply order(const AdminRequest& request) const;
  /// Runs a change inside the supervisor; an `std::invalid_argument` that it throws comes back as
  /// 400 with its text.
  [[nodiscard]] AdminReply apply(std::function<AdminReply(ColonyPlan&)> change) const;

  // As the calls of `ColonyPlan`; throw `std::invalid_argument` with the supervisor's word.
  void add_generation(const std::string& index, const WantedGeneration& generation) const;
  void make_live(const std::string& index, const std::string& generation) const;
  void remove_generation(const std::string& index, const std::string& generation) const;
  void scale(const std::string& index, const std::string& generation, std::int32_t replicas) const;
  [[nodiscard]] WantedState wanted() const;

 private:
  void apply_or_throw(std::function<void(ColonyPlan&)> change) const;
  caf::actor_system* system_;
  Supervisor supervisor_;
};

}  // namespace rookery::actors
