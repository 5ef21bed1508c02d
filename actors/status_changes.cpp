#include "actors/status_changes.hpp"

#include <algorithm>
#include <map>
#include <string>
#include <utility>

namespace rookery::actors {

namespace {

class Changes {
 public:
  void add(EventLevel level, std::string text) { events_.push_back({level, std::move(text)}); }

  void member(const MemberStatus& before, const MemberStatus& after) {
    const auto& node = after.node;
    if (after.crash_loop && !before.crash_loop) {
      add(EventLevel::kError, node + " ends again and again" + words(after));
    } else if (before.pid != 0 && after.pid != before.pid && !before.crash_loop) {
      add(EventLevel::kWarn, node + " ended with code " + std::to_string(after.exit_code) +
                                 words(after) +
                                 (after.pid == 0 ? "" : "; it runs again as " + process(after)));
    } else if (before.pid == 0 && after.pid != 0) {
      add(EventLevel::kInfo, node + " joined for " + place(after) + " as " + process(after));
    }
    if (after.state != before.state) {
      const auto level = after.state == "gone" ? EventLevel::kWarn : EventLevel::kInfo;
      if (after.state != "joining") {
        add(level, node + " is " + after.state + " (" + place(after) + ")");
      }
    } else if (after.state == "ready" && after.in_contact != before.in_contact) {
      add(after.in_contact ? EventLevel::kInfo : EventLevel::kWarn,
          after.in_contact ? node + " is back in contact" : node + " has lost contact");
    }
    if (after.pid == before.pid && after.refused > before.refused) {
      add(EventLevel::kWarn,
          node + " refused " + std::to_string(after.refused - before.refused) + " requests");
    }
  }

  void generation(const GenerationStatus* before, const GenerationStatus& after) {
    const auto name = after.index + " generation " + after.generation;
    if (before == nullptr || before->role != after.role) {
      add(EventLevel::kInfo, name + " is " + after.role);
    }
    if (before == nullptr) return;
    if (before->replicas != after.replicas) {
      add(EventLevel::kInfo, name + " shall have " + std::to_string(after.replicas) +
                                 " replicas of each shard instead of " +
                                 std::to_string(before->replicas));
    }
    if (before->complete != after.complete) {
      add(after.complete ? EventLevel::kInfo : EventLevel::kWarn,
          name + (after.complete ? " has all its replicas" : " misses replicas"));
    }
  }

  void operation(const OperationStatus* before, const OperationStatus& after) {
    if (before != nullptr && before->state == after.state) return;
    const auto& whom = !after.node.empty()    ? after.node
                       : !after.agent.empty() ? after.agent
                                              : after.index;
    const bool well = after.state == "running" || after.state == "done";
    add(well ? EventLevel::kInfo : EventLevel::kWarn,
        after.action + " of " + whom + ": " + after.state +
            (after.text.empty() ? "" : ": " + after.text));
  }

  void agent(const AgentStatus* before, const AgentStatus& after) {
    const auto name = "agent " + after.agent + " on " + after.host;
    const bool was = before != nullptr && before->connected;
    if (after.connected && !was) {
      add(EventLevel::kInfo, name + " has come");
    } else if (!after.connected && was) {
      add(EventLevel::kWarn, name + " is not connected any more");
    }
    if (before != nullptr && before->drained != after.drained) {
      add(EventLevel::kInfo, name + (after.drained ? " is drained" : " takes work again"));
    }
  }

  std::vector<Event> take() { return std::move(events_); }

 private:
  static std::string words(const MemberStatus& member) {
    return member.reason.empty() ? "" : ": " + member.reason;
  }
  static std::string process(const MemberStatus& member) {
    return "process " + std::to_string(member.pid) +
           (member.host.empty() ? "" : " on " + member.host);
  }
  static std::string place(const MemberStatus& member) {
    return (member.index.empty() ? "" : member.index + " ") + "shard " +
           std::to_string(member.shard) + ", replica " + std::to_string(member.replica);
  }

  std::vector<Event> events_;
};

template <class Items, class Key>
auto by_key(const Items& items, Key key) {
  std::map<std::decay_t<decltype(key(items.front()))>, const typename Items::value_type*> map;
  for (const auto& item : items) map[key(item)] = &item;
  return map;
}

/// Calls `change(before or null, after)` for every item of `after`, `gone(before)` for the rest.
template <class Items, class Key, class Change, class Gone>
void compare(const Items& before, const Items& after, Key key, Change change, Gone gone) {
  auto old = by_key(before, key);
  for (const auto& item : after) {
    const auto found = old.find(key(item));
    change(found == old.end() ? nullptr : found->second, item);
    if (found != old.end()) old.erase(found);
  }
  for (const auto& [name, item] : old) gone(*item);
}

}  // namespace

std::vector<Event> status_changes(const ColonyStatus& before, const ColonyStatus& after) {
  Changes changes;
  compare(
      before.operations, after.operations, [](const auto& item) { return item.id; },
      [&](const auto* old, const auto& item) { changes.operation(old, item); },
      [](const auto&) {});  // done long ago
  compare(
      before.agents, after.agents, [](const auto& item) { return item.agent; },
      [&](const auto* old, const auto& item) { changes.agent(old, item); },
      [&](const auto& item) {
        changes.add(EventLevel::kInfo, "agent " + item.agent + " on " + item.host + " has left");
      });
  compare(
      before.members, after.members, [](const auto& item) { return item.node; },
      [&](const auto* old, const auto& item) {
        // A slot that nobody has taken yet has no name.
        if (!item.node.empty()) changes.member(old == nullptr ? MemberStatus{} : *old, item);
      },
      [&](const auto& item) {
        if (!item.node.empty()) changes.add(EventLevel::kInfo, item.node + " is wanted no more");
      });
  compare(
      before.generations, after.generations,
      [](const auto& item) { return std::make_pair(item.index, item.generation); },
      [&](const auto* old, const auto& item) { changes.generation(old, item); },
      [&](const auto& item) {
        changes.add(EventLevel::kInfo,
                    item.index + " generation " + item.generation + " is served no more");
      });
  return changes.take();
}

}  // namespace rookery::actors
