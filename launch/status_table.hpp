#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "actors/colony_status.hpp"

namespace rookery::launch {

/// Requests a second of each process, from two looks at a colony.
class ServedRates {
 public:
  using Time = std::chrono::steady_clock::time_point;
  void look(const actors::ColonyStatus& status, Time now);
  /// Negative where the process was not there at the last look.
  [[nodiscard]] double of(const actors::MemberStatus& member) const;

 private:
  using Process = std::pair<std::string, std::int64_t>;  // node and pid
  std::map<Process, std::int64_t> served_;
  std::map<Process, double> rates_;
  Time at_;
};

struct StatusTableOptions {
  bool colours = false;
  double silent_seconds = 0;  ///< above 0: the head has been silent for so long, the data is old
};

/// What `rookery status` prints: a line on the colony, one a generation, a table of shards ×
/// replicas that fits 80 columns, operations under way, and what is not as it should be. Every line
/// ends with a newline. Pure.
std::string status_table(const actors::ColonyStatus& status, const ServedRates& rates,
                         const StatusTableOptions& options);

}  // namespace rookery::launch
