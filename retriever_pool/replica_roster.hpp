#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "retriever_pool/hedge_budget.hpp"
#include "retriever_pool/outlier_detector.hpp"
#include "retriever_pool/replica_choice.hpp"
#include "retriever_pool/replica_health.hpp"
#include "retriever_pool/request_plan.hpp"
#include "retriever_pool/shard_pace.hpp"

namespace rookery::retriever_pool {

/// What a replica serves.
struct ReplicaPlace {
  std::string index, generation;
  std::int32_t shard = 0;
  friend bool operator==(const ReplicaPlace&, const ReplicaPlace&) = default;
};

/// A message by its call's number and its own within the call, both from 1.
using AttemptId = std::pair<std::uint64_t, std::uint32_t>;

/// A message that a replica has not answered yet.
struct InFlight {
  std::int32_t shard = 0;
  AttemptKind kind = AttemptKind::kFirst;
  std::uint32_t work_class = 0;
  std::chrono::steady_clock::time_point sent{};
  /// Nobody waits for it: another answer won, or the call is over. What comes is measured only.
  bool abandoned = false;
};

/// What a client learns about one shard of one index, whatever the generation.
struct ShardLore {
  explicit ShardLore(double hedge_share) : budget(hedge_share) {}
  ShardPace pace;
  HedgeBudget budget;
};

/// One replica as a client sees it.
struct RoutedReplica {
  using Time = std::chrono::steady_clock::time_point;
  RequestPlan::Replica number = 0;
  ReplicaPlace place;
  bool ready = false;  ///< by the view; a draining one only finishes what it has
  bool was_connected = false;
  ReplicaHealth health;
  OutlierDetector outlier;
  std::map<AttemptId, InFlight> in_flight;
  std::int64_t open = 0;       ///< of them, not abandoned
  Time asked{}, busy_until{};  ///< last query; it refused for overload
  ShardLore* lore = nullptr;   ///< the roster's

  /// What power of two choices compares: (in flight + 1) × latency beside its peers'. Who owes an
  /// answer for longer than that is thought as slow as it is late.
  [[nodiscard]] double cost(Time now) const;
  void add(AttemptId id, const InFlight& message);
  /// Removes it, if it is there.
  std::optional<InFlight> take(AttemptId id);
  void abandon(AttemptId id);
};

struct RosterOptions {
  double hedge_share = 0.05;
  bool ejection = true;
  ChoicePolicy choice = ChoicePolicy::kPowerOfTwo;
};

/// All replicas of the newest view, with what is known of them. Pure: no sockets, no clock.
class ReplicaRoster {
 public:
  using Time = std::chrono::steady_clock::time_point;
  using Replica = RequestPlan::Replica;

  explicit ReplicaRoster(const RosterOptions& options) : options_(options) {}

  /// `number` is the caller's own, never used again.
  RoutedReplica& add(Replica number, const ReplicaPlace& place);
  void remove(Replica number) { replicas_.erase(number); }
  [[nodiscard]] RoutedReplica* find(Replica number);
  [[nodiscard]] std::map<Replica, RoutedReplica>& all() { return replicas_; }
  [[nodiscard]] const std::map<Replica, RoutedReplica>& all() const { return replicas_; }
  [[nodiscard]] bool serves(const ReplicaPlace& place) const;  ///< ready or draining
  [[nodiscard]] ShardLore& lore(const ReplicaPlace& place);

  struct Choice {
    std::vector<Candidate> candidates;  ///< ready, connected and not in `excluded`
    std::size_t replicas = 0;           ///< of the place, ready
    std::size_t out = 0;                ///< of them: not connected, silent or ejected
    std::size_t busy = 0;               ///< of the others
    bool any_excluded = false;
    ChoiceRules rules;
  };
  [[nodiscard]] Choice choice(const ReplicaPlace& place, const std::set<Replica>& excluded,
                              Time now) const;
  /// A replica of the place that wants a probe now, or nothing.
  [[nodiscard]] RoutedReplica* to_probe(const ReplicaPlace& place, Time now);

  /// An answer to a query. True when the replica was ejected for its slowness.
  bool answered(RoutedReplica& replica, const InFlight& message, Time now);

 private:
  [[nodiscard]] std::optional<double> median_of_peers(const RoutedReplica& replica) const;

  RosterOptions options_;
  std::map<Replica, RoutedReplica> replicas_;
  std::map<std::pair<std::string, std::int32_t>, ShardLore> lore_;
};

}  // namespace rookery::retriever_pool
