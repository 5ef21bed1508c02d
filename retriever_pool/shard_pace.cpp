#include "retriever_pool/shard_pace.hpp"

#include <algorithm>

namespace rookery::retriever_pool {
namespace {

constexpr double kAverageShare = 0.05;  // of the newest latency, once there are 20
constexpr double kLatencyMinUs = 1;

double us_of(std::chrono::microseconds latency) {
  return std::max(static_cast<double>(latency.count()), kLatencyMinUs);
}

}  // namespace

std::uint32_t ShardPace::key(std::uint32_t work_class) const {
  return averages_.size() < kClassesMax || averages_.contains(work_class) ? work_class : 0;
}

void ShardPace::record(std::uint32_t work_class, std::chrono::microseconds latency) {
  Average& average = averages_[key(work_class)];
  const double us = us_of(latency);
  ++average.calls;
  const double share = std::max(kAverageShare, 1.0 / static_cast<double>(average.calls));
  average.us += share * (us - average.us);
  window_.record(us / average.us);
}

double ShardPace::relative(std::uint32_t work_class, std::chrono::microseconds latency) const {
  const auto found = averages_.find(key(work_class));
  return found == averages_.end() ? 1.0 : us_of(latency) / found->second.us;
}

std::optional<std::chrono::microseconds> ShardPace::p95(std::uint32_t work_class) const {
  const auto relative = window_.p95();
  const auto found = averages_.find(key(work_class));
  if (!relative || found == averages_.end()) return std::nullopt;
  return std::chrono::microseconds(static_cast<std::int64_t>(*relative * found->second.us));
}

std::optional<std::chrono::microseconds> ShardPace::p95_of_slowest() const {
  std::uint32_t slowest = 0;
  double us = 0;
  for (const auto& [work_class, average] : averages_) {
    if (average.us > us) {
      us = average.us;
      slowest = work_class;
    }
  }
  return us > 0 ? p95(slowest) : std::nullopt;
}

}  // namespace rookery::retriever_pool
