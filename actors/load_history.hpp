#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <utility>

#include "actors/colony_status.hpp"

namespace rookery::actors {

/// What the whole colony did around one moment.
struct LoadSample {
  std::int64_t time_ms = 0;               ///< since the epoch
  double qps = 0, refused = 0;            ///< requests a second, over all nodes
  std::int64_t queue = 0;                 ///< requests that wait, over all nodes
  std::int64_t queue_wait_us = 0;         ///< p95 of the node where it is longest
  std::int64_t p50_us = -1, p99_us = -1;  ///< the median node's p50, the slowest node's p99;
                                          ///< -1: nobody was asked
};

/// The load of a colony over the last hour; bounded. Thread-safe.
class LoadHistory {
 public:
  static constexpr std::int64_t kStepMs = 2'000;
  static constexpr std::size_t kSamplesMax = 1'800;

  /// Takes a sample when the last one is `kStepMs` old. Rates are of what the same process counted
  /// since; a process that is new counts from its next look.
  void observe(const ColonyStatus& status, std::int64_t time_ms);
  /// `{"now":…,"step_ms":2000,"samples":[{"t":…,"qps":…}]}`: at most the last `seconds`, and only
  /// those after the time `after_ms`.
  [[nodiscard]] std::string json(std::int64_t seconds, std::int64_t after_ms,
                                 std::int64_t now_ms) const;

 private:
  struct Counts {
    std::int64_t served = 0, refused = 0;
  };
  mutable std::mutex mutex_;
  std::deque<LoadSample> samples_;
  std::map<std::pair<std::string, std::int64_t>, Counts> counts_;  // by node and pid
  std::int64_t last_ms_ = 0;
};

}  // namespace rookery::actors
