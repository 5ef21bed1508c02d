#pragma once

#include <memory>
#include <string>
#include <vector>

#include "launch/chaos/chaos_colony.hpp"
#include "launch/chaos/chaos_load.hpp"
#include "launch/chaos/scenario.hpp"
#include "launch/chaos/view_mirror.hpp"

namespace rookery::launch {

struct TrialOptions {
  std::string pool, index;  ///< more keys of the colony file, see `ChaosColonyOptions`
  bool mirrored = false;    ///< every client behind fault proxies of its own
  bool proxied_control = false;
  std::int32_t clients = 2;
  std::int32_t threads = 8;  ///< callers a client
  retriever_pool::PoolClientOptions client = {};
  std::chrono::milliseconds deadline{2000};
  double rate_per_s = 0;              ///< 0: the room's
  std::int32_t capacity_callers = 4;  ///< a client, where the room's capacity is measured
  std::vector<std::string> agent_prefix = {};
};

/// A colony under load in which something is broken: starts both, measures the healthy phase, and
/// judges all calls at the end.
class Trial {
 public:
  Trial(ScenarioRoom& room, ScenarioReport& report, const TrialOptions& options = {});
  ~Trial();

  [[nodiscard]] ChaosColony& colony() { return *colony_; }
  [[nodiscard]] ViewMirror& mirror(std::size_t client) { return *mirrors_.at(client); }
  [[nodiscard]] ChaosLoad& load() { return *load_; }
  [[nodiscard]] double now() const { return load_->now(); }
  [[nodiscard]] const CallSummary& healthy() const { return healthy_; }
  [[nodiscard]] double healthy_from() const { return healthy_from_; }
  [[nodiscard]] double healthy_to() const { return healthy_to_; }
  /// A second or two of warm-up, then the phase that others are compared with.
  void measure_healthy(double seconds);
  /// The pid of a member's node; throws when the head does not know it.
  [[nodiscard]] pid_t pid_of(std::int32_t shard, std::int32_t replica) const;
  [[nodiscard]] std::string node_of(std::int32_t shard, std::int32_t replica) const;
  /// The calls that were due in a window, once all of them have ended.
  CallSummary window(double from, double to, std::int32_t client = -1);
  /// Seconds from `moment` until a right answer to a call that was sent later; -1 for none.
  double first_right_after(double moment);
  /// Stops the load, and writes the counts down. `failed_allowed`: errors are part of the plan.
  void finish(bool failed_allowed = false);
  [[nodiscard]] const std::vector<CallRecord>& calls() const { return calls_; }  ///< once finished
  /// p99 of a window against the healthy p99, at least 1 ms.
  double p99_ratio(double from, double to, std::int32_t client = -1);

 private:
  ScenarioRoom& room_;
  ScenarioReport& report_;
  TrialOptions options_;
  std::unique_ptr<ChaosColony> colony_;
  std::vector<std::unique_ptr<ViewMirror>> mirrors_;
  std::unique_ptr<ChaosLoad> load_;
  CallSummary healthy_;
  double healthy_from_ = 0, healthy_to_ = 0;
  std::vector<CallRecord> calls_;
  bool finished_ = false;
};

}  // namespace rookery::launch
