#pragma once

#include <chrono>
#include <cstdint>
#include <deque>

namespace rookery::actors {

using TimePoint = std::chrono::steady_clock::time_point;

struct RestartPolicyOptions {
  std::chrono::milliseconds delay_first{200};  ///< then doubled from quick death to quick death
  std::chrono::milliseconds delay_max{30'000};
  std::chrono::milliseconds quick_death{5'000};  ///< a life shorter than this counts as quick
  std::int32_t crash_loop_deaths = 5;            ///< quick deaths in a row that make a crash loop
  std::int32_t restarts_max = 10;                ///< within `window`; further ones wait
  std::chrono::milliseconds window{300'000};
};

/// When a process that died may start again. Pure: times come from the caller.
class RestartPolicy {
 public:
  explicit RestartPolicy(const RestartPolicyOptions& options = {}) : options_(options) {}
  /// The process that lived from `started` to `now` has died; returns when to start the next.
  TimePoint died(TimePoint started, TimePoint now);
  /// `crash_loop_deaths` quick deaths in a row, and no long life since.
  [[nodiscard]] bool crash_loop() const { return quick_deaths_ >= options_.crash_loop_deaths; }
  /// All restarts so far.
  [[nodiscard]] std::int32_t restarts() const { return restarts_; }

 private:
  RestartPolicyOptions options_;
  std::deque<TimePoint> recent_;  ///< planned restarts within the window, oldest first
  std::int32_t quick_deaths_ = 0;
  std::int32_t restarts_ = 0;
};

}  // namespace rookery::actors
