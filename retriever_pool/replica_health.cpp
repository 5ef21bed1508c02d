#include "retriever_pool/replica_health.hpp"

#include <algorithm>

namespace rookery::retriever_pool {
namespace {

constexpr double kAverageShare = 0.1;  // of the newest latency
constexpr double kLatencyMinUs = 1;

}  // namespace

void ReplicaHealth::measure(std::chrono::microseconds latency) {
  const auto us = std::max(static_cast<double>(latency.count()), kLatencyMinUs);
  latency_us_ = measured_ ? (1 - kAverageShare) * latency_us_ + kAverageShare * us : us;
  measured_ = true;
}

void ReplicaHealth::connected(Time now) {
  connected_ = true;
  ping_open_ = false;
  pinged_ = now;
  suspect_ = false;
}

void ReplicaHealth::disconnected() {
  connected_ = false;
  ping_open_ = false;
}

void ReplicaHealth::answered(std::chrono::microseconds latency) {
  lost();
  seen();
  measure(latency);
}

void ReplicaHealth::refused() {
  lost();
  seen();
}

void ReplicaHealth::lost() { in_flight_ = std::max<std::int64_t>(in_flight_ - 1, 0); }

bool ReplicaHealth::ping_due(Time now) const {
  return connected_ && !ping_open_ && now - pinged_ >= kPingEvery;
}

void ReplicaHealth::ping_sent(Time now) {
  ping_open_ = true;
  pinged_ = now;
}

void ReplicaHealth::ponged(Time now) {
  seen();
  if (!ping_open_) return;
  ping_open_ = false;
  measure(std::chrono::duration_cast<std::chrono::microseconds>(now - pinged_));
}

bool ReplicaHealth::check(Time now) {
  if (!connected_ || suspect_ || !ping_open_ || now - pinged_ < kSuspectAfter) return false;
  suspect_ = true;
  return true;
}

}  // namespace rookery::retriever_pool
