#include "retriever_pool/replica_health.hpp"

#include <algorithm>

namespace rookery::retriever_pool {
namespace {

constexpr double kAverageShare = 0.1;  // of the newest latency
constexpr double kLatencyMinUs = 1;

}  // namespace

void ReplicaHealth::alive() { suspect_ = false; }

void ReplicaHealth::connected(Time now) {
  connected_ = true;
  ping_open_ = false;
  pinged_ = now;
  alive();
}

void ReplicaHealth::disconnected() {
  connected_ = false;
  ping_open_ = false;
}

void ReplicaHealth::answered(Time now, std::chrono::microseconds latency) {
  lost();
  ponged(now);
  const auto us = std::max(static_cast<double>(latency.count()), kLatencyMinUs);
  latency_us_ = (1 - kAverageShare) * latency_us_ + kAverageShare * us;
}

void ReplicaHealth::refused(Time now) {
  lost();
  ponged(now);
}

void ReplicaHealth::lost() { in_flight_ = std::max<std::int64_t>(in_flight_ - 1, 0); }

bool ReplicaHealth::ping_due(Time now) const {
  return connected_ && !ping_open_ && now - pinged_ >= kPingEvery;
}

void ReplicaHealth::ping_sent(Time now) {
  ping_open_ = true;
  pinged_ = now;
}

void ReplicaHealth::ponged(Time) {
  ping_open_ = false;
  alive();
}

bool ReplicaHealth::check(Time now) {
  if (!connected_ || suspect_ || !ping_open_ || now - pinged_ < kSuspectAfter) return false;
  suspect_ = true;
  return true;
}

}  // namespace rookery::retriever_pool
