#include "actors/colony_control.hpp"

#include <chrono>
#include <memory>
#include <stdexcept>
#include <utility>

namespace rookery::actors {

namespace {
constexpr auto kAnswerTimeout = std::chrono::seconds(5);
constexpr int kGoingDown = 503;
}  // namespace

AdminReply ColonyControl::apply(std::function<AdminReply(ColonyPlan&)> change) const {
  caf::scoped_actor self(*system_);
  AdminReply reply;
  self->request(supervisor_, kAnswerTimeout, order_atom_v, PlanOrder{std::move(change)})
      .receive([&](AdminReply& answer) { reply = std::move(answer); },
               [&](const caf::error& error) {
                 reply = {kGoingDown, "the head does not answer: " + caf::to_string(error)};
               });
  return reply;
}

AdminReply ColonyControl::order(const AdminRequest& request) const {
  return apply([request](ColonyPlan& plan) { return plan.order(request); });
}

void ColonyControl::apply_or_throw(std::function<void(ColonyPlan&)> change) const {
  const auto reply = apply([change = std::move(change)](ColonyPlan& plan) {
    change(plan);
    return AdminReply{};
  });
  if (reply.status != AdminReply{}.status) throw std::invalid_argument(reply.text);
}

void ColonyControl::add_generation(const std::string& index,
                                   const WantedGeneration& generation) const {
  apply_or_throw([=](ColonyPlan& plan) { plan.add_generation(index, generation); });
}

void ColonyControl::make_live(const std::string& index, const std::string& generation) const {
  apply_or_throw([=](ColonyPlan& plan) { plan.make_live(index, generation); });
}

void ColonyControl::remove_generation(const std::string& index,
                                      const std::string& generation) const {
  apply_or_throw([=](ColonyPlan& plan) { plan.remove_generation(index, generation); });
}

void ColonyControl::scale(const std::string& index, const std::string& generation,
                          std::int32_t replicas) const {
  apply_or_throw([=](ColonyPlan& plan) { plan.scale(index, generation, replicas); });
}

WantedState ColonyControl::wanted() const {
  const auto state = std::make_shared<WantedState>();
  apply_or_throw([state](ColonyPlan& plan) { *state = plan.wanted(); });
  return *state;
}

}  // namespace rookery::actors
