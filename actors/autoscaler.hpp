#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "actors/restart_policy.hpp"

namespace rookery::actors {

/// The section `pool.autoscale` of a colony file. Off unless `replicas_max` is set.
struct AutoscaleOptions {
  std::int32_t replicas_min = 1;                  ///< [1, 64]
  std::int32_t replicas_max = 0;                  ///< [0, 64]; 0: off
  std::chrono::milliseconds queue_wait{20};       ///< key `queue_wait_ms`: p95 that is still good
  std::chrono::milliseconds up_after{5'000};      ///< worse for so long: one more replica
  std::chrono::milliseconds down_after{120'000};  ///< far better for so long: one less
  [[nodiscard]] bool enabled() const { return replicas_max > 0; }
};

/// Decides how many replicas an index needs by how long requests wait in the nodes' queues. One
/// step at a time; down much later than up, and only from a quarter of the wait that is still good,
/// so that the replicas that stay do not make it bad at once. Where one less turns out to be too
/// few, the next attempt comes twice as late, up to a day. Pure: times come from the caller.
class Autoscaler {
 public:
  explicit Autoscaler(const AutoscaleOptions& options) : options_(options) {}
  /// `queue_wait_us`: the worst node's p95 of late. `settled`: all replicas are ready and nothing
  /// is under way. Returns another number of replicas, or nothing.
  std::optional<std::int32_t> step(std::int64_t queue_wait_us, std::int32_t replicas, bool settled,
                                   TimePoint now);

 private:
  AutoscaleOptions options_;
  std::optional<TimePoint> bad_since_, good_since_;
  std::chrono::milliseconds patience_{0};  ///< grown from `down_after` by failed attempts
  bool last_was_down_ = false;
};

}  // namespace rookery::actors
