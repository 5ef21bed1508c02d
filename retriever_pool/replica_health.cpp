#include "retriever_pool/replica_health.hpp"

#include <algorithm>

namespace rookery::retriever_pool {
namespace {

constexpr double kAverageShare = 0.1;  // of the newest latency
constexpr double kRelativeMax = 1000;  // one long stop is not remembered for ever

}  // namespace

void ReplicaHealth::connected(Time now) {
  connected_ = true;
  ping_open_ = false;
  pinged_ = now - kPingEvery;  // one is due at once: it may hang behind a sound connection
  suspect_ = false;
}

void ReplicaHealth::disconnected() {
  connected_ = false;
  ping_open_ = false;
}

void ReplicaHealth::measured(double relative) {
  relative = std::min(relative, kRelativeMax);
  relative_ = measured_ ? relative_ + kAverageShare * (relative - relative_) : relative;
  measured_ = true;
}

void ReplicaHealth::at_least(double relative) {
  if (relative > relative_) measured(relative);
}

void ReplicaHealth::fade() { relative_ += kAverageShare * (1 - relative_); }

bool ReplicaHealth::ping_due(Time now) const {
  if (!connected_) return false;
  return now - pinged_ >= (ping_open_ ? kPingAgain : kPingEvery);
}

void ReplicaHealth::ping_sent(Time now) {
  // A suspect is pinged again, but only an answer ends its silence.
  ping_open_ = true;
  pinged_ = now;
  ++ping_;
}

bool ReplicaHealth::ponged(std::uint32_t number) {
  seen();
  if (!ping_open_ || number != ping_) return false;
  ping_open_ = false;
  return true;
}

bool ReplicaHealth::check(Time now, std::chrono::milliseconds limit) {
  if (!connected_ || suspect_ || !ping_open_ || now - pinged_ < limit) return false;
  suspect_ = true;
  return true;
}

}  // namespace rookery::retriever_pool
