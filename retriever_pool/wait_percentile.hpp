#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace rookery::retriever_pool {

/// How long requests waited, or took, lately: percentiles over the last seconds. Bounded. Pure: the
/// caller locks and tells the time.
class WaitPercentile {
 public:
  using Time = std::chrono::steady_clock::time_point;
  void add(std::chrono::microseconds wait, Time now);
  /// 0 when nothing came in the last seconds.
  [[nodiscard]] std::chrono::microseconds p95(Time now) const { return percentile(95, now); }
  /// As `p95`; `percent` in [1, 100].
  [[nodiscard]] std::chrono::microseconds percentile(std::size_t percent, Time now) const;

 private:
  struct Wait {
    Time when;
    std::chrono::microseconds wait;
  };
  std::vector<Wait> waits_;  // a ring once it is full
  std::size_t next_ = 0;
};

}  // namespace rookery::retriever_pool
