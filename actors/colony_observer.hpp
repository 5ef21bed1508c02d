#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>

#include "actors/event_log.hpp"
#include "actors/load_history.hpp"

namespace rookery::actors {

/// Looks at a head's own status again and again, and remembers: events and load. Thread-safe.
class ColonyObserver {
 public:
  /// One look, `time_ms` since the epoch; call it about once a second with `/v1/status`.
  void observe(const std::string& status_json, std::int64_t time_ms);
  [[nodiscard]] EventLog& events() { return events_; }
  [[nodiscard]] const EventLog& events() const { return events_; }
  [[nodiscard]] const LoadHistory& history() const { return history_; }

 private:
  std::mutex mutex_;  // guards last_
  std::optional<ColonyStatus> last_;
  EventLog events_;
  LoadHistory history_;
};

}  // namespace rookery::actors
