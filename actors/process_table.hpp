#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "actors/messages.hpp"
#include "actors/placement.hpp"
#include "actors/restart_policy.hpp"

namespace rookery::actors {

/// The agent's book: which processes it shall run, which do, and when a dead one may start again.
/// Pure: it starts nothing, and times come from the caller.
class ProcessTable {
 public:
  ProcessTable(std::string agent, RestartPolicyOptions policy)
      : agent_(std::move(agent)), policy_(policy) {}
  /// Replaces what is wanted; returns the running slots that must be stopped, because they are
  /// wanted no more or with other settings.
  std::vector<Slot> want(const std::vector<NodeSpec>& specs, TimePoint now);
  /// What to start now. Each is listed until `started` is called for it.
  [[nodiscard]] std::vector<NodeSpec> due(TimePoint now) const;
  /// The next time when `due` will list one more; nothing when none waits.
  [[nodiscard]] std::optional<TimePoint> next_due() const;
  ProcessEvent started(const Slot& slot, std::int64_t pid, TimePoint now);
  /// The slot's process has ended. One that was asked to stop starts again at once if it is still
  /// wanted; any other after its back-off.
  ProcessEvent ended(const Slot& slot, std::int32_t exit_code, std::string reason, TimePoint now);
  /// The last event of every slot, for a head that knows nothing yet.
  [[nodiscard]] std::vector<ProcessEvent> events() const;

 private:
  struct Entry {
    NodeSpec spec;
    RestartPolicy policy;
    bool running = false;
    bool stopping = false;  ///< told to stop
    bool wanted = true;
    TimePoint started, next_start;
    ProcessEvent event;
  };
  std::string agent_;
  RestartPolicyOptions policy_;
  std::map<Slot, Entry> entries_;
};

}  // namespace rookery::actors
