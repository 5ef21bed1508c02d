#pragma once

#include <chrono>

namespace rookery::base {

/// Turns SIGINT and SIGTERM into a flag and a readable descriptor. Make one in `main`, before
/// threads start.
class StopSignal {
 public:
  StopSignal();
  ~StopSignal();
  StopSignal(const StopSignal&) = delete;
  StopSignal& operator=(const StopSignal&) = delete;
  /// True once a signal came.
  [[nodiscard]] bool requested() const;
  /// Waits at most `timeout`; true when a signal came.
  bool wait(std::chrono::milliseconds timeout) const;
  /// Readable once a signal came; for poll loops.
  [[nodiscard]] int descriptor() const;
};

}  // namespace rookery::base
