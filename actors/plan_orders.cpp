// What people ask of a plan.
#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "actors/colony_plan.hpp"

namespace rookery::actors {

namespace {

constexpr int kAccepted = 202, kNothingToDo = 200, kBad = 400, kUnknown = 404, kBusy = 409;
constexpr std::size_t kOperationsKept = 16;  // finished ones are news for a while only

}  // namespace

AdminReply ColonyPlan::order(const AdminRequest& request) {
  if (request.action == "scale") return order_scale(request);
  if (request.action == "restart") return order_restart(request);
  if (request.action == "drain") return order_drain(request);
  if (request.action == "undrain") return order_undrain(request);
  return {kBad, "unknown action '" + request.action +
                    "'; there are scale, restart, drain, undrain, swap and rollback"};
}

Operation& ColonyPlan::begin(const std::string& action, const std::string& index) {
  Operation operation;
  operation.action = action;
  operation.index = index;
  operation.id = wanted_.operations.empty() ? 1 : wanted_.operations.back().id + 1;
  while (wanted_.operations.size() >= kOperationsKept) {
    const auto over = std::find_if(wanted_.operations.begin(), wanted_.operations.end(),
                                   [](const Operation& old) { return old.state != "running"; });
    if (over == wanted_.operations.end()) break;
    wanted_.operations.erase(over);
  }
  wanted_.operations.push_back(std::move(operation));
  changed_ = true;
  return wanted_.operations.back();
}

std::int64_t ColonyPlan::begin_operation(const std::string& action, const std::string& index) {
  return begin(action, index).id;
}

void ColonyPlan::report(const Operation& operation) {
  for (auto& known : wanted_.operations) {
    if (known.id != operation.id || known == operation) continue;
    known = operation;
    changed_ = true;
  }
}

std::optional<Slot> ColonyPlan::slot_named(const std::string& node) const {
  for (const auto& [slot, known] : wanted_.nodes) {
    if (known.name() == node) return slot;
  }
  return std::nullopt;
}

AdminReply ColonyPlan::order_scale(const AdminRequest& request) {
  if (!request.replicas || *request.replicas < 1 || *request.replicas > 64) {
    return {kBad, "replicas: expected a number in [1, 64], got " +
                      (request.replicas ? std::to_string(*request.replicas) : "nothing")};
  }
  auto* index = wanted_.find(request.index);
  if (index == nullptr) return {kUnknown, "the colony has no index '" + request.index + "'"};
  auto* live = index->live();
  if (live == nullptr) return {kBusy, "index '" + index->name + "' has no live generation"};
  if (busy(index->name)) {
    return {kBusy, "index '" + index->name + "' is being changed already; wait for it"};
  }
  const auto before = live->replicas;
  if (before == *request.replicas) {
    return {kNothingToDo, "index '" + index->name + "' has " + std::to_string(before) +
                              (before == 1 ? " replica" : " replicas") + " already"};
  }
  scale(index->name, "", *request.replicas);
  auto& operation = begin("scale", index->name);
  operation.of = live->shards * live->replicas;
  return {kAccepted, "scaling index '" + index->name + "' from " + std::to_string(before) + " to " +
                         std::to_string(*request.replicas) + " replicas of each shard"};
}

AdminReply ColonyPlan::autoscale(const std::string& index, std::int32_t replicas,
                                 const std::string& why) {
  AdminRequest request;
  request.action = "scale";
  request.index = index;
  request.replicas = replicas;
  const auto before = wanted_.operations.empty() ? 0 : wanted_.operations.back().id;
  auto reply = order_scale(request);
  if (!wanted_.operations.empty() && wanted_.operations.back().id != before) {
    wanted_.operations.back().reason = wanted_.operations.back().text = why;
  }
  return reply;
}

AdminReply ColonyPlan::order_restart(const AdminRequest& request) {
  std::string name;
  if (!request.node.empty()) {
    const auto slot = slot_named(request.node);
    if (!slot) return {kUnknown, "the colony has no node '" + request.node + "'"};
    name = slot->index;
  } else {
    const auto* index = wanted_.find(request.index);
    if (index == nullptr) return {kUnknown, "the colony has no index '" + request.index + "'"};
    name = index->name;
  }
  if (busy(name)) return {kBusy, "index '" + name + "' is being changed already; wait for it"};
  const auto* live = wanted_.find(name)->live();
  std::int32_t count = 0;
  for (auto& [slot, node] : wanted_.nodes) {
    const bool asked = request.node.empty()
                           ? slot.index == name && live != nullptr &&
                                 slot.generation == live->generation && is_base(slot)
                           : node.name() == request.node;
    if (!asked || !wanted_.placement.contains(slot)) continue;
    node.run_wanted = node.run + 1;
    ++count;
  }
  if (count == 0) return {kBusy, "nothing of it runs now"};
  auto& operation = begin("restart", name);
  operation.node = request.node;
  operation.of = count;
  return {kAccepted,
          "restarting " + (request.node.empty() ? std::to_string(count) + " nodes of index '" +
                                                      name + "', one after the other"
                                                : request.node)};
}

/// A shard that would be served by nobody when these slots leave their agents, in words.
std::optional<std::string> ColonyPlan::last_holder(const std::vector<Slot>& leaving) const {
  const auto where = problem();
  const std::set<Slot> gone(leaving.begin(), leaving.end());
  for (const auto& slot : leaving) {
    if (other_place(where, slot)) continue;
    const bool covered =
        std::any_of(wanted_.placement.begin(), wanted_.placement.end(), [&](const auto& entry) {
          const auto& other = entry.first;
          const auto key = [](const Slot& s) { return std::tie(s.index, s.generation, s.shard); };
          return key(other) == key(slot) && (!gone.contains(other) || other_place(where, other));
        });
    if (!covered) {
      return wanted_.nodes.at(slot).name() + " holds the last replica of shard " +
             std::to_string(slot.shard) + " of index '" + slot.index +
             "', and no other agent can take it; start an agent on another host first";
    }
  }
  return std::nullopt;
}

AdminReply ColonyPlan::order_drain(const AdminRequest& request) {
  if (request.node.empty() == request.agent.empty()) {
    return {kBad, "drain: expected a node or an agent, got " +
                      std::string(request.node.empty() ? "neither" : "both")};
  }
  std::vector<Slot> leaving;
  std::string index;
  if (!request.node.empty()) {
    const auto slot = slot_named(request.node);
    if (!slot) return {kUnknown, "the colony has no node '" + request.node + "'"};
    if (!wanted_.placement.contains(*slot)) {
      return {kBusy, request.node + " has no agent to leave"};
    }
    leaving.push_back(*slot);
    index = slot->index;
    if (busy(index)) return {kBusy, "index '" + index + "' is being changed already; wait for it"};
  } else {
    if (!agents_.contains(request.agent)) {
      return {kUnknown, "the colony has no agent '" + request.agent + "'"};
    }
    if (is_drained(request.agent)) return {kNothingToDo, request.agent + " is drained already"};
    for (const auto& [slot, agent] : wanted_.placement) {
      if (agent == request.agent) leaving.push_back(slot);
    }
    for (const auto& known : wanted_.indexes) {
      if (busy(known.name)) {
        return {kBusy, "index '" + known.name + "' is being changed already; wait for it"};
      }
    }
  }
  if (const auto why = last_holder(leaving)) return {kBusy, *why};
  if (!request.node.empty()) {
    wanted_.avoid[leaving.front()] = wanted_.placement.at(leaving.front());
  } else {
    wanted_.drained_agents.push_back(request.agent);
  }
  auto& operation = begin("drain", index);
  operation.node = request.node;
  operation.agent = request.agent;
  operation.of = static_cast<std::int32_t>(leaving.size());
  return {kAccepted,
          "draining " + (request.node.empty() ? "agent " + request.agent + " of " +
                                                    std::to_string(leaving.size()) + " nodes"
                                              : request.node)};
}

AdminReply ColonyPlan::order_undrain(const AdminRequest& request) {
  if (request.node.empty() == request.agent.empty()) {
    return {kBad, "undrain: expected a node or an agent, got " +
                      std::string(request.node.empty() ? "neither" : "both")};
  }
  const auto& what = request.node.empty() ? request.agent : request.node;
  if (!request.node.empty()) {
    const auto slot = slot_named(request.node);
    if (!slot) return {kUnknown, "the colony has no node '" + request.node + "'"};
    if (wanted_.avoid.erase(*slot) == 0) return {kBusy, request.node + " is not drained"};
  } else if (std::erase(wanted_.drained_agents, request.agent) == 0) {
    return {agents_.contains(request.agent) ? kBusy : kUnknown,
            "agent '" + request.agent + "' is not drained"};
  }
  for (auto& operation : wanted_.operations) {
    if (operation.state != "running" || operation.action != "drain") continue;
    if (operation.node != request.node || operation.agent != request.agent) continue;
    operation.state = "done";
    operation.text = "taken back";
  }
  changed_ = true;
  return {kAccepted, what + " may be used again"};
}

}  // namespace rookery::actors
