#include "actors/restart_policy.hpp"

#include <algorithm>

namespace rookery::actors {

TimePoint RestartPolicy::died(TimePoint started, TimePoint now) {
  quick_deaths_ = now - started < options_.quick_death ? quick_deaths_ + 1 : 0;
  auto delay = options_.delay_first;
  for (std::int32_t i = 1; i < quick_deaths_ && delay < options_.delay_max; ++i) delay *= 2;
  auto next = now + std::min(delay, options_.delay_max);
  // Back-off alone would allow 16 restarts in five minutes; the window bounds them (law 3).
  if (recent_.size() >= static_cast<std::size_t>(options_.restarts_max)) {
    next = std::max(next, recent_.front() + options_.window);
    recent_.pop_front();
  }
  recent_.push_back(next);
  ++restarts_;
  return next;
}

}  // namespace rookery::actors
