#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace rookery::retriever_pool {

/// Decides whether one replica is left out because it fails, is silent or lags behind its peers:
///
///     in ── 3 failures in a row, or slow ──▶ ejected ── 1, 2, 4 … 30 s ──▶ on probation ──▶ in
///     └──── silent, or connected anew ────────────────────────────────────▲   │ probes, 1/s
///                                             ejected, for twice as long ◀── a bad answer
///
/// Pure: the caller tells the time and sends the probes.
class OutlierDetector {
 public:
  using Time = std::chrono::steady_clock::time_point;
  static constexpr std::int32_t kFailuresInARow = 3;
  static constexpr double kSlow = 3;         ///< times the median of its peers
  static constexpr std::size_t kCalls = 20;  ///< that its own pace is taken from
  /// Only so few of them may be faster than the limit. A link that stops for a moment, as TCP does
  /// at each lost packet, delays all that is on it but not what came between; a slow replica has no
  /// fast answers.
  static constexpr double kSlowShare = 0.2;
  static constexpr std::size_t kCallsOfPeers = 5;
  static constexpr std::chrono::milliseconds kEjectionMin{1000}, kEjectionMax{30'000};
  static constexpr std::chrono::milliseconds kProbeEvery{1000};
  static constexpr std::chrono::milliseconds kForgiveAfter{60'000};  ///< one ejection less
  static constexpr std::int32_t kGoodAnswers = 2;                    ///< end a probation
  static constexpr std::int32_t kBadAnswers = 2;  ///< and so do these, if they come first

  enum class State { kIn, kEjected, kProbation };

  /// Its answer to a query took `relative` times the average. `peers` is the median of the others'
  /// medians, nothing where there are none to compare with. True when it was ejected for it.
  bool answered(double relative, std::optional<double> peers, Time now);
  /// It answered a ping that went through its queue of queries.
  void ponged(Time now);
  /// True when it was ejected for it.
  bool failed(Time now);
  void silent(Time now);       ///< on probation as soon as it speaks again
  void reconnected(Time now);  ///< perhaps as another process: on probation until the first answer

  [[nodiscard]] State state(Time now) const;
  /// On probation and not probed for a second.
  [[nodiscard]] bool probe_due(Time now) const;
  void probe_sent(Time now) { probed_ = now; }
  /// Of its last 20 answers; nothing when it gave fewer than `calls`.
  [[nodiscard]] std::optional<double> median(std::size_t calls) const {
    return quantile(calls, 0.5);
  }

 private:
  [[nodiscard]] std::optional<double> quantile(std::size_t calls, double share) const;
  void eject(Time now, bool slow);
  void probation(Time now, std::int32_t good_answers);
  void good(Time now);

  bool in_ = true;
  bool slow_ = false;  // ejected for that: a ping does not show that it is fast again
  Time until_{};       // of the ejection; after it, probation
  Time probed_{}, ejected_{};
  std::int32_t failures_ = 0, good_left_ = 0, bad_ = 0, ejections_ = 0;
  std::array<float, kCalls> ring_{};
  std::size_t next_ = 0, count_ = 0;
};

}  // namespace rookery::retriever_pool
