#pragma once

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
};

struct SimulationReport {
  std::vector<std::string> lies;  ///< what broke a promise; empty: nothing
  std::int64_t begun = 0, answered = 0, errors = 0;
  std::int64_t attempts = 0, hedges = 0, searched = 0;
  double last_error_s = 0;  ///< after the last fault was over, of calls begun after it
};

/// Runs the client's real decisions against simulated servers (with the real admission queue) over
/// a simulated network on a virtual clock. The same plan gives the same run.
SimulationReport simulate(const SimulationPlan& plan);

}  // namespace rookery::retriever_pool::testing
