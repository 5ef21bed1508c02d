#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/metrics.hpp"

namespace rookery::base {

/// What /proc tells of this process; -1 where it does not.
struct ProcessUsage {
  std::int64_t resident_bytes = -1;
  std::int64_t open_descriptors = -1, descriptors_max = -1;
  std::int64_t threads = -1;
  double cpu_seconds = -1;         ///< user and system
  double start_time_seconds = -1;  ///< since the epoch
};
ProcessUsage read_process_usage();

/// Adds gauges of this process to `metrics`: `process_resident_memory_bytes`, `process_open_fds`,
/// `process_max_fds`, `process_threads`, `process_cpu_seconds_total`, `process_start_time_seconds`
/// (the names that Prometheus' own clients use) and `rookery_build_info` with version, commit and
/// `role`. Thread-safe.
class ProcessMetrics {
 public:
  /// `metrics` outlives this. `role`: "node", "head", …
  ProcessMetrics(Metrics& metrics, const std::string& role);
  ~ProcessMetrics();
  void update();  ///< reads /proc; call before the metrics are written

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace rookery::base
