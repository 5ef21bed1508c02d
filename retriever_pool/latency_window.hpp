#pragma once

#include <array>
#include <cstddef>
#include <optional>

namespace rookery::retriever_pool {

/// The last so many latencies, as multiples of what was expected. Pure, fixed in size.
class LatencyWindow {
 public:
  static constexpr std::size_t kCalls = 512;
  static constexpr std::size_t kCallsMin = 16;  ///< fewer say nothing about a tail

  void record(double relative);
  /// The value below which 95 of 100 lie; at most 16 calls old. Nothing before `kCallsMin` calls.
  [[nodiscard]] std::optional<double> p95() const;

 private:
  void sort_out();

  std::array<float, kCalls> ring_{};
  std::size_t next_ = 0, count_ = 0, fresh_ = 0;  // fresh_: recorded since p95_ was found
  double p95_ = 0;
};

}  // namespace rookery::retriever_pool
