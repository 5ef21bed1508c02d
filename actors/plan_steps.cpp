// How a plan gets from what runs to what is wanted.
#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "actors/colony_plan.hpp"

namespace rookery::actors {

namespace {

bool same_shard(const Slot& a, const Slot& b) {
  return a.index == b.index && a.generation == b.generation && a.shard == b.shard;
}

NodeState state_of(const Slot& slot, const NodeStates& states) {
  const auto place = states.find(slot);
  return place == states.end() ? NodeState{} : place->second;
}

std::string count_of(std::int32_t step, std::int32_t of, const char* what) {
  return std::to_string(step) + " of " + std::to_string(of) + " " + what;
}

}  // namespace

ColonyPlan::Reason ColonyPlan::reason_to_stop(const Slot& slot) const {
  const auto agent = wanted_.placement.find(slot);
  if (agent == wanted_.placement.end()) return Reason::kNone;  // nothing runs
  const auto avoid = wanted_.avoid.find(slot);
  if (is_drained(agent->second) ||
      (avoid != wanted_.avoid.end() && avoid->second == agent->second)) {
    return Reason::kLeave;
  }
  const auto& node = wanted_.nodes.at(slot);
  return node.run < node.run_wanted ? Reason::kRestart : Reason::kNone;
}

bool ColonyPlan::settled(const Slot& slot, const NodeStates& states) const {
  const auto node = wanted_.nodes.find(slot);
  if (node == wanted_.nodes.end() || !wanted_.placement.contains(slot)) return true;
  const auto state = state_of(slot, states);
  return state.ready && state.run == node->second.run;
}

bool ColonyPlan::may_stop(const Slot& slot, const NodeStates& states) const {
  if (!state_of(slot, states).serving) return true;  // nothing to lose
  return std::any_of(wanted_.nodes.begin(), wanted_.nodes.end(), [&](const auto& entry) {
    const auto& other = entry.first;
    return other != slot && same_shard(other, slot) && wanted_.placement.contains(other) &&
           settled(other, states);
  });
}

bool ColonyPlan::pending_in_shard(const Slot& slot) const {
  const bool stopped = std::any_of(stopped_.begin(), stopped_.end(), [&](const auto& entry) {
    return same_shard(entry.second.slot, slot);
  });
  return stopped || std::any_of(wanted_.nodes.begin(), wanted_.nodes.end(), [&](const auto& entry) {
           return is_base(entry.first) && same_shard(entry.first, slot) &&
                  reason_to_stop(entry.first) != Reason::kNone;
         });
}

bool ColonyPlan::advance(const NodeStates& states, TimePoint now) {
  const bool all_back =
      std::all_of(wanted_.nodes.begin(), wanted_.nodes.end(),
                  [&](const auto& entry) { return settled(entry.first, states); });
  if (!all_back && now - start_ < options_.settle) return false;
  bool changed = give_up_late(states, now);
  changed = drop_excess(states, now) || changed;
  for (const auto& index : wanted_.indexes) changed = step_index(index, states, now) || changed;
  changed = update_operations(states) || changed;
  changed_ = changed_ || changed;
  return changed;
}

/// Ends what waits in vain, so that it does not keep its index to itself for ever.
bool ColonyPlan::give_up_late(const NodeStates& states, TimePoint now) {
  bool changed = false;
  std::map<std::int64_t, Progress> progress;
  for (auto& operation : wanted_.operations) {
    const auto& action = operation.action;
    const bool ours = action == "scale" || action == "restart" || action == "drain";
    if (!ours || operation.state != "running") continue;
    const auto known = progress_.find(operation.id);
    auto& last = progress[operation.id];
    last = known == progress_.end() || known->second.step != operation.step
               ? Progress{operation.step, now}
               : known->second;
    if (now - last.since < options_.patience) continue;
    std::string waits;
    for (const auto& [slot, node] : wanted_.nodes) {
      const bool concerned = operation.index.empty() || slot.index == operation.index;
      if (concerned && waits.empty() && !settled(slot, states)) {
        waits = ": " + node.name() + " is not ready";
      }
    }
    operation.state = "failed";
    operation.text += "; no progress within " +
                      std::to_string(options_.patience / std::chrono::seconds(1)) + " s" + waits +
                      "; the rest was left as it is";
    leave_rest(operation);
    changed = true;
  }
  progress_ = std::move(progress);
  const auto late = std::erase_if(
      stopped_, [&](const auto& entry) { return now - entry.second.since >= options_.patience; });
  return changed || late > 0;
}

/// After a failure: nothing more is stopped for this operation. What is wanted stays wanted.
void ColonyPlan::leave_rest(const Operation& operation) {
  if (operation.action == "restart") {
    for (auto& [slot, node] : wanted_.nodes) {
      if (slot.index == operation.index) node.run_wanted = node.run;
    }
  }
  if (operation.action == "drain") {
    std::erase(wanted_.drained_agents, operation.agent);
    if (const auto slot = slot_named(operation.node)) wanted_.avoid.erase(*slot);
  }
  std::erase_if(stopped_, [&](const auto& entry) {
    return operation.index.empty() || entry.first == operation.index;
  });
}

bool ColonyPlan::drop_excess(const NodeStates& states, TimePoint now) {
  std::vector<Slot> going;
  for (const auto& [slot, node] : wanted_.nodes) {
    if (is_base(slot) || pending_in_shard(slot)) continue;
    // One that stays must be ready: the excess may be all that serves the shard.
    const bool covered = std::any_of(
        wanted_.nodes.begin(), wanted_.nodes.end(), [&, &gone = slot](const auto& entry) {
          return same_shard(entry.first, gone) && is_base(entry.first) &&
                 wanted_.placement.contains(entry.first) && settled(entry.first, states);
        });
    if (covered) going.push_back(slot);
  }
  for (const auto& slot : going) drop_node(slot, now);
  return !going.empty();
}

bool ColonyPlan::step_index(const WantedIndex& index, const NodeStates& states, TimePoint now) {
  bool changed = false;
  if (const auto place = stopped_.find(index.name); place != stopped_.end()) {
    if (!settled(place->second.slot, states)) return false;
    stopped_.erase(place);
    changed = true;
  }
  for (const auto& [slot, node] : wanted_.nodes) {
    if (slot.index != index.name || reason_to_stop(slot) == Reason::kNone) continue;
    return stop_one(Slot(slot), states, now) || changed;
  }
  return spread(index, states, now) || changed;
}

bool ColonyPlan::stop_one(const Slot& slot, const NodeStates& states, TimePoint now) {
  if (!may_stop(slot, states)) {
    std::int32_t free = 0;
    for (const auto& [other, node] : wanted_.nodes) {
      if (!same_shard(other, slot)) continue;
      // Another replica is on its way: it is worth waiting for.
      if (other != slot && wanted_.placement.contains(other)) return false;
      // A surplus one for which no agent had a place yet.
      if (other != slot && !is_base(other)) return false;
      free = std::max(free, other.replica + 1);
    }
    if (const auto* generation = generation_of(slot)) free = std::max(free, generation->replicas);
    add_node({slot.index, slot.generation, slot.shard, free}, now);
    return true;
  }
  auto& node = wanted_.nodes.at(slot);
  if (reason_to_stop(slot) == Reason::kRestart) {
    node.run = node.run_wanted;
  } else if (const auto agent = other_place(problem(), slot)) {
    wanted_.placement[slot] = *agent;
    // The process there is another one; a restart that was due is done by that.
    node.run = node.run_wanted = std::max(node.run + 1, node.run_wanted);
  } else {
    wanted_.placement.erase(slot);  // empty until it may come back
  }
  stopped_[slot.index] = {slot, now};
  return true;
}

bool ColonyPlan::spread(const WantedIndex& index, const NodeStates& states, TimePoint now) {
  if (busy(index.name)) return false;
  // Only in peace: what is not ready has other troubles.
  for (const auto& [slot, node] : wanted_.nodes) {
    if (slot.index == index.name && !settled(slot, states)) return false;
  }
  const auto move = move_apart(problem(), index.name);
  if (!move || !may_stop(move->first, states)) return false;
  auto& node = wanted_.nodes.at(move->first);
  wanted_.placement[move->first] = move->second;
  node.run = node.run_wanted = node.run + 1;
  stopped_[index.name] = {move->first, now};
  return true;
}

std::optional<std::string> ColonyPlan::failure_of(const std::string& index,
                                                  const NodeStates& states) const {
  for (const auto& [slot, node] : wanted_.nodes) {
    const auto state = state_of(slot, states);
    if (slot.index == index && state.crash_loop && !state.ready) {
      return node.name() + " does not come up: " + state.reason;
    }
  }
  return std::nullopt;
}

bool ColonyPlan::update_operations(const NodeStates& states) {
  bool changed = false;
  for (auto& operation : wanted_.operations) {
    if (operation.state != "running") continue;
    const Operation before = operation;
    if (operation.action == "scale") update_scale(operation, states);
    if (operation.action == "restart") update_restart(operation, states);
    if (operation.action == "drain") update_drain(operation, states);
    changed = changed || operation != before;
  }
  return changed;
}

void ColonyPlan::update_scale(Operation& operation, const NodeStates& states) const {
  const auto* index = wanted_.find(operation.index);
  const auto* live = index == nullptr ? nullptr : index->live();
  if (live == nullptr) {
    operation.state = "failed";
    operation.text = "the index is no more";
    return;
  }
  operation.of = live->shards * live->replicas;
  operation.step = 0;
  std::string going;
  for (const auto& [slot, node] : wanted_.nodes) {
    if (slot.index != index->name || slot.generation != live->generation) continue;
    if (!is_base(slot)) {
      going = node.name();
    } else if (settled(slot, states)) {
      ++operation.step;
    }
  }
  operation.text = operation.reason.empty() ? "" : operation.reason + "; ";
  operation.text += count_of(operation.step, operation.of, "replicas are ready");
  if (!going.empty()) operation.text += ", " + going + " is to go";
  if (operation.step == operation.of && going.empty()) {
    operation.state = "done";
  } else if (const auto failure = failure_of(operation.index, states)) {
    operation.state = "failed";
    operation.text = *failure;
  }
}

void ColonyPlan::update_restart(Operation& operation, const NodeStates& states) {
  std::int32_t left = 0;
  bool excess = false;
  std::string next;
  for (const auto& [slot, node] : wanted_.nodes) {
    if (slot.index != operation.index) continue;
    excess = excess || !is_base(slot);
    const bool named = operation.node.empty() || operation.node == node.name();
    if (!named || !is_base(slot)) continue;
    const auto stopped = stopped_.find(slot.index);
    const bool away = stopped != stopped_.end() && stopped->second.slot == slot;
    if (node.run < node.run_wanted || away) {
      ++left;
      if (next.empty() || away) next = node.name();
    }
  }
  operation.step = std::max(0, operation.of - left);
  operation.text = count_of(operation.step, operation.of, "nodes are new");
  if (!next.empty()) operation.text += ", next " + next;
  if (left == 0 && !excess) {
    operation.state = "done";
  } else if (const auto failure = failure_of(operation.index, states)) {
    operation.state = "failed";
    operation.text = *failure + "; the rest was left as it is";
    leave_rest(operation);
  }
}

void ColonyPlan::update_drain(Operation& operation, const NodeStates& states) {
  std::int32_t left = 0;
  for (const auto& [slot, node] : wanted_.nodes) {
    left += is_base(slot) && reason_to_stop(slot) == Reason::kLeave;
  }
  const auto moving = static_cast<std::int32_t>(
      std::count_if(stopped_.begin(), stopped_.end(),
                    [&](const auto& entry) { return !settled(entry.second.slot, states); }));
  operation.step = std::max(0, operation.of - left - moving);
  operation.text = count_of(operation.step, operation.of, "nodes have left");
  if (left == 0 && moving == 0) {
    operation.state = "done";
    return;
  }
  for (const auto& [index, stop] : stopped_) {
    if (const auto state = state_of(stop.slot, states); state.crash_loop && !state.ready) {
      operation.state = "failed";
      operation.text = wanted_.nodes.at(stop.slot).name() + " does not come up: " + state.reason +
                       "; what had not left stays where it is";
    }
  }
  if (operation.state == "failed") leave_rest(operation);
}

}  // namespace rookery::actors
