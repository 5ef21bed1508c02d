#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

namespace rookery::retriever_pool {

/// What a client knows of one replica: whether it is connected, whether it is silent and how fast
/// it answers beside its peers. Pure: the caller tells the time.
class ReplicaHealth {
 public:
  using Time = std::chrono::steady_clock::time_point;
  static constexpr std::chrono::milliseconds kPingEvery{250};
  static constexpr std::chrono::milliseconds kSuspectAfter{500};  ///< of a ping without an answer
  static constexpr std::chrono::milliseconds kPingAgain{1000};    ///< a suspect, once more

  void connected(Time now);
  void disconnected();
  /// It answered a query, in this multiple of what such queries take on average.
  void measured(double relative);
  /// A query was given up after so long, while others answered: it takes at least that.
  void at_least(double relative);
  void seen() { suspect_ = false; }  ///< it sent something

  /// True when a ping is due; the caller then sends one and calls `ping_sent`.
  [[nodiscard]] bool ping_due(Time now) const;
  /// The number that its answer must carry.
  [[nodiscard]] std::uint32_t next_ping() const { return ping_ + 1; }
  void ping_sent(Time now);
  /// An answer, or a refusal, to a ping. False for one that is no longer waited for.
  bool ponged(std::uint32_t number);
  /// Looks at the clock: a ping unanswered for `limit` makes a suspect. True when it became one
  /// just now.
  bool check(Time now, std::chrono::milliseconds limit = kSuspectAfter);

  [[nodiscard]] bool is_connected() const { return connected_; }
  /// Silent for long: others are asked, until it answers anything.
  [[nodiscard]] bool suspect() const { return suspect_; }
  /// Its moving average, as a multiple of the average replica's latency.
  [[nodiscard]] double relative() const { return relative_; }
  /// Lets an estimate that nobody refreshes fade: who is asked no more can become fast again.
  void fade();

 private:
  bool connected_ = false, suspect_ = false, ping_open_ = false, measured_ = false;
  double relative_ = 0.5;  // a newcomer is thought fast, so that it is tried
  std::uint32_t ping_ = 0;
  Time pinged_{};
};

}  // namespace rookery::retriever_pool
