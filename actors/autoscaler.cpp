#include "actors/autoscaler.hpp"

#include <algorithm>

namespace rookery::actors {

namespace {
constexpr std::int64_t kFarBetter = 4;  // a quarter of the wait that is still good
constexpr std::chrono::milliseconds kDay = std::chrono::hours(24);
}  // namespace

std::optional<std::int32_t> Autoscaler::step(std::int64_t queue_wait_us, std::int32_t replicas,
                                             bool settled, TimePoint now) {
  if (!options_.enabled()) return std::nullopt;
  if (!settled) {
    // What is measured while replicas come and go says nothing of what is needed after.
    bad_since_.reset();
    good_since_.reset();
    return std::nullopt;
  }
  const auto within = std::clamp(replicas, options_.replicas_min,
                                 std::max(options_.replicas_min, options_.replicas_max));
  if (within != replicas) return within;
  const std::int64_t limit = std::chrono::microseconds(options_.queue_wait).count();
  const auto since = [now](std::optional<TimePoint>& start, bool holds) {
    if (!holds) start.reset();
    if (holds && !start) start = now;
    return start ? now - *start : TimePoint::duration::zero();
  };
  const bool bad = queue_wait_us > limit, good = queue_wait_us * kFarBetter < limit;
  const auto bad_for = since(bad_since_, bad), good_for = since(good_since_, good);
  std::optional<std::int32_t> wanted;
  if (bad && bad_for >= options_.up_after && replicas < options_.replicas_max) {
    wanted = replicas + 1;
    if (last_was_down_) patience_ = std::min(std::max(patience_, options_.down_after) * 2, kDay);
    last_was_down_ = false;
  } else if (good && good_for >= std::max(patience_, options_.down_after) &&
             replicas > options_.replicas_min) {
    wanted = replicas - 1;
    last_was_down_ = true;
  }
  if (wanted) {
    bad_since_.reset();
    good_since_.reset();
  }
  return wanted;
}

}  // namespace rookery::actors
