#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>

#include "retriever_pool/latency_window.hpp"

namespace rookery::retriever_pool {

/// How long a shard's answers take, by class of work: a batch of 64 queries is no slow single
/// query. A class is any number that the caller gives to requests of about equal cost. Latencies
/// are compared as multiples of their class's average, so that replicas that got different work can
/// be judged side by side. Pure.
class ShardPace {
 public:
  static constexpr std::size_t kClassesMax = 1024;  ///< further ones are not told apart

  /// An answer that somebody waited for, and how long its replica took.
  void record(std::uint32_t work_class, std::chrono::microseconds latency);
  /// As a multiple of the class's average; 1 where none is known.
  [[nodiscard]] double relative(std::uint32_t work_class, std::chrono::microseconds latency) const;
  /// The 95th percentile of the last 512 answers, of all classes, in this class's time. Nothing
  /// while too little is known.
  [[nodiscard]] std::optional<std::chrono::microseconds> p95(std::uint32_t work_class) const;
  /// That of the class that takes longest.
  [[nodiscard]] std::optional<std::chrono::microseconds> p95_of_slowest() const;

 private:
  struct Average {
    double us = 0;
    std::int64_t calls = 0;
  };
  [[nodiscard]] std::uint32_t key(std::uint32_t work_class) const;

  std::map<std::uint32_t, Average> averages_;
  LatencyWindow window_;
};

}  // namespace rookery::retriever_pool
