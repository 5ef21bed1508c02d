#include "actors/process_table.hpp"

#include <algorithm>

namespace rookery::actors {

std::vector<Slot> ProcessTable::want(const std::vector<NodeSpec>& specs, TimePoint now) {
  std::vector<Slot> to_stop;
  for (auto& [slot, entry] : entries_) entry.wanted = false;
  for (const auto& spec : specs) {
    const Slot slot = slot_of(spec);
    const auto [place, fresh] = entries_.try_emplace(slot);
    auto& entry = place->second;
    entry.wanted = true;
    if (fresh) {
      entry.spec = spec;
      entry.policy = RestartPolicy(policy_);
      entry.next_start = now;
      entry.event.agent = agent_;
      entry.event.index = slot.index;
      entry.event.generation = slot.generation;
      entry.event.shard = slot.shard;
      entry.event.replica = slot.replica;
    } else if (entry.spec != spec) {
      entry.spec = spec;
      // Other settings may well cure what made it die: the old deaths do not count against them.
      entry.policy = RestartPolicy(policy_);
      entry.next_start = now;
      if (entry.running && !entry.stopping) {
        entry.stopping = true;
        to_stop.push_back(slot);
      }
    }
  }
  for (auto place = entries_.begin(); place != entries_.end();) {
    auto& [slot, entry] = *place;
    if (!entry.wanted && entry.running && !entry.stopping) {
      entry.stopping = true;
      to_stop.push_back(slot);
    }
    place = !entry.wanted && !entry.running ? entries_.erase(place) : std::next(place);
  }
  return to_stop;
}

std::vector<NodeSpec> ProcessTable::due(TimePoint now) const {
  std::vector<NodeSpec> specs;
  for (const auto& [slot, entry] : entries_) {
    if (entry.wanted && !entry.running && entry.next_start <= now) specs.push_back(entry.spec);
  }
  return specs;
}

std::optional<TimePoint> ProcessTable::next_due() const {
  std::optional<TimePoint> next;
  for (const auto& [slot, entry] : entries_) {
    if (entry.wanted && !entry.running && (!next || entry.next_start < *next)) {
      next = entry.next_start;
    }
  }
  return next;
}

ProcessEvent ProcessTable::started(const Slot& slot, std::int64_t pid, TimePoint now) {
  auto& entry = entries_.at(slot);
  entry.running = true;
  entry.stopping = false;
  entry.started = now;
  entry.event.pid = pid;
  entry.event.running = true;
  entry.event.restarts = entry.policy.restarts();
  entry.event.crash_loop = entry.policy.crash_loop();
  entry.event.retry_ms = 0;
  return entry.event;
}

ProcessEvent ProcessTable::ended(const Slot& slot, std::int32_t exit_code, std::string reason,
                                 TimePoint now) {
  auto& entry = entries_.at(slot);
  auto& event = entry.event;
  entry.running = false;
  event.running = false;
  event.exit_code = exit_code;
  event.reason = std::move(reason);
  if (entry.stopping) {
    entry.stopping = false;
    entry.next_start = now;
  } else {
    entry.next_start = entry.policy.died(entry.started, now);
  }
  event.restarts = entry.policy.restarts();
  event.crash_loop = entry.policy.crash_loop();
  event.retry_ms =
      std::chrono::duration_cast<std::chrono::milliseconds>(entry.next_start - now).count();
  const ProcessEvent last = event;
  if (!entry.wanted) entries_.erase(slot);
  return last;
}

std::vector<ProcessEvent> ProcessTable::events() const {
  std::vector<ProcessEvent> events;
  for (const auto& [slot, entry] : entries_) {
    if (entry.event.pid != 0) events.push_back(entry.event);
  }
  return events;
}

}  // namespace rookery::actors
