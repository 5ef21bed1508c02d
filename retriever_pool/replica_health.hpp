#pragma once

#include <chrono>
#include <cstdint>

namespace rookery::retriever_pool {

/// What a client knows of one replica: how fast it answers and whether it is silent. Pure: the
/// caller tells the time.
class ReplicaHealth {
 public:
  using Time = std::chrono::steady_clock::time_point;
  static constexpr std::chrono::milliseconds kPingEvery{250};
  static constexpr std::chrono::milliseconds kSuspectAfter{750};  ///< of silence

  void connected(Time now);
  void disconnected();
  void sent() { ++in_flight_; }
  void answered(std::chrono::microseconds latency);
  void seen() { suspect_ = false; }  ///< it sent something
  void refused();                    ///< an error message: it lives, but did not serve
  void lost();  ///< a message in flight got no answer and is waited for no more
  void timed_out() { suspect_ = true; }  ///< an attempt was silent for its whole timeout

  /// True when a ping is due; the caller then sends one and calls `ping_sent`.
  [[nodiscard]] bool ping_due(Time now) const;
  void ping_sent(Time now);
  void ponged(Time now);  ///< its time counts too: who is asked no more can become fast again
  /// Looks at the clock: a ping unanswered for too long makes a replica suspect. True when it
  /// became so just now.
  bool check(Time now);

  [[nodiscard]] bool is_connected() const { return connected_; }
  /// Silent for long: others are asked first, until it answers anything.
  [[nodiscard]] bool suspect() const { return suspect_; }
  [[nodiscard]] std::int64_t in_flight() const { return in_flight_; }
  /// What power of two choices compares: (in flight + 1) × average latency, µs.
  [[nodiscard]] double cost() const { return static_cast<double>(in_flight_ + 1) * latency_us_; }

 private:
  void measure(std::chrono::microseconds latency);

  bool connected_ = false, suspect_ = false, ping_open_ = false;
  std::int64_t in_flight_ = 0;
  bool measured_ = false;
  double latency_us_ = 20;  // moving average; a newcomer is thought fast, so that it is tried
  Time pinged_{};
};

}  // namespace rookery::retriever_pool
