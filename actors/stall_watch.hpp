#pragma once

#include <chrono>
#include <optional>

#include "retriever_pool/query_server.hpp"

namespace rookery::actors {

/// Finds a search thread that hangs while the rest of its process lives: work waits, no batch ends
/// and no processor time is used. A long search uses time, and a process that was stopped as a
/// whole has looked at nothing meanwhile: neither is taken for a hang. Pure: times come from the
/// caller, who looks a few times a second.
class StallWatch {
 public:
  static constexpr std::chrono::milliseconds kLimit{5'000};
  /// A step between two looks counts at most so much.
  static constexpr std::chrono::milliseconds kStepMax{500};

  explicit StallWatch(std::chrono::milliseconds limit = kLimit) : limit_(limit) {}
  /// True when the thread has hung for the whole limit.
  bool look(const retriever_pool::SearchPulse& pulse, std::chrono::steady_clock::time_point now);

 private:
  std::chrono::milliseconds limit_;
  retriever_pool::SearchPulse last_;
  std::optional<std::chrono::steady_clock::time_point> looked_;
  std::chrono::steady_clock::duration hung_{0};
};

}  // namespace rookery::actors
