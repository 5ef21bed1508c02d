#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/metrics.hpp"
#include "serving/answerer.hpp"

namespace rookery::serving {

/// What a serving worker counts, by the names of `/metrics` (`rookery_serving_…`). Thread-safe.
class ServingMetrics {
 public:
  /// `metrics` outlives this.
  explicit ServingMetrics(base::Metrics& metrics);
  ~ServingMetrics();
  void answered(const Answer& answer);
  void failed();
  void refused();   ///< the queue was full
  void rejected();  ///< a request that cannot be answered as asked
  void waiting(std::int64_t requests);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace rookery::serving
