#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace rookery::retriever_pool::testing {

/// What may go wrong in a simulated run.
struct SimulationPlan {
  std::uint64_t seed = 1;
  std::int32_t shards = 2, replicas = 3;
  std::int32_t calls = 600;
  double calls_per_s = 150;
  bool faults = true;    ///< one fault after another; else calm weather
  bool swizzle = false;  ///< every fault is a swizzle-clog
  bool swap = false;     ///< the colony moves to another generation in the middle
  /// A message takes that long each way, up to `jitter` sooner or later.
  std::chrono::microseconds delay{80}, jitter{50};
  /// Share of segments that TCP sends again, so much later; what follows on the link waits for
  /// them.
  double loss = 0;
  std::chrono::milliseconds retransmission{200};
  std::int32_t query_segments = 1;  ///< of a query; other messages have one
};

struct SimulationReport {
  std::vector<std::string> lies;  ///< what broke a promise; empty: nothing
  std::int64_t begun = 0, answered = 0, errors = 0;
  std::int64_t attempts = 0, hedges = 0, searched = 0;
  std::vector<double> latencies_ms;  ///< of all calls, rising
  double last_error_s = 0;           ///< after the last fault was over, of calls begun after it
  /// Nearest rank.
  [[nodiscard]] double percentile(double share) const;
};

/// Runs the client's real decisions against simulated servers (with the real admission queue) over
/// a simulated network on a virtual clock. The same plan gives the same run.
SimulationReport simulate(const SimulationPlan& plan);

}  // namespace rookery::retriever_pool::testing
