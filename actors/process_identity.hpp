#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <string>

namespace rookery::actors {

/// One process of one boot: a pid alone may be recycled, pid and start time together are not.
struct ProcessIdentity {
  pid_t pid = 0;
  std::int64_t start_ticks = 0;  ///< field 22 of /proc/PID/stat, clock ticks since boot
  std::string boot;              ///< /proc/sys/kernel/random/boot_id

  /// This process.
  static ProcessIdentity self();
  /// The process that has `pid` now; `start_ticks` is 0 when there is none.
  static ProcessIdentity of(pid_t pid);
  /// True while this very process runs (a zombie counts as ended).
  [[nodiscard]] bool alive() const;
  friend bool operator==(const ProcessIdentity&, const ProcessIdentity&) = default;
};

/// How `stop_process` found it.
enum class StopResult { kNotRunning, kTerminated, kKilled };

/// SIGTERM, then SIGKILL after `grace`; works for processes that are not our children. The signal
/// goes through a pidfd whose process was checked, so that a recycled pid is never hit. Blocks
/// until the process has ended, at most `grace` and 5 s more.
StopResult stop_process(const ProcessIdentity& process, std::chrono::milliseconds grace);

/// Waits until the process has ended; false when it still runs after `timeout`.
bool wait_for_end(const ProcessIdentity& process, std::chrono::milliseconds timeout);

}  // namespace rookery::actors
