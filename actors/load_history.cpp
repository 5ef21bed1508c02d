#include "actors/load_history.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <vector>

namespace rookery::actors {

void LoadHistory::observe(const ColonyStatus& status, std::int64_t time_ms) {
  const std::lock_guard lock(mutex_);
  const auto passed = time_ms - last_ms_;
  // A clock that was set back must not stop the history.
  if (last_ms_ != 0 && passed >= 0 && passed < kStepMs) return;
  const double seconds = last_ms_ == 0 ? 0 : static_cast<double>(passed) / 1000;
  LoadSample sample;
  sample.time_ms = time_ms;
  std::map<std::pair<std::string, std::int64_t>, Counts> counts;
  std::vector<std::int64_t> medians;
  for (const auto& member : status.members) {
    const auto key = std::make_pair(member.node, member.pid);
    counts[key] = {member.served, member.refused};
    sample.queue += member.queue;
    sample.queue_wait_us = std::max(sample.queue_wait_us, member.queue_wait_us);
    if (member.p50_us > 0) medians.push_back(member.p50_us);
    if (member.p99_us > 0) sample.p99_us = std::max(sample.p99_us, member.p99_us);
    const auto before = counts_.find(key);
    if (before == counts_.end() || seconds <= 0) continue;
    sample.qps +=
        static_cast<double>(std::max<std::int64_t>(0, member.served - before->second.served)) /
        seconds;
    sample.refused +=
        static_cast<double>(std::max<std::int64_t>(0, member.refused - before->second.refused)) /
        seconds;
  }
  if (!medians.empty()) {
    const auto middle = medians.begin() + static_cast<std::ptrdiff_t>(medians.size() / 2);
    std::nth_element(medians.begin(), middle, medians.end());
    sample.p50_us = *middle;
  }
  counts_ = std::move(counts);
  last_ms_ = time_ms;
  samples_.push_back(sample);
  if (samples_.size() > kSamplesMax) samples_.pop_front();
}

std::string LoadHistory::json(std::int64_t seconds, std::int64_t after_ms,
                              std::int64_t now_ms) const {
  using Json = nlohmann::json;
  const std::lock_guard lock(mutex_);
  const auto begin = std::max(std::min(after_ms, now_ms) + 1,
                              now_ms - std::clamp<std::int64_t>(seconds, 0, 86'400) * 1000);
  Json samples = Json::array();
  for (const auto& sample : samples_) {
    if (sample.time_ms < begin) continue;
    samples.push_back({{"t", sample.time_ms},
                       {"qps", sample.qps},
                       {"refused", sample.refused},
                       {"queue", sample.queue},
                       {"queue_wait_us", sample.queue_wait_us},
                       {"p50_us", sample.p50_us},
                       {"p99_us", sample.p99_us}});
  }
  return Json{{"now", now_ms}, {"step_ms", kStepMs}, {"samples", samples}}.dump();
}

}  // namespace rookery::actors
