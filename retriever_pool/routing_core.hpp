#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "retriever_pool/replica_roster.hpp"
#include "retriever_pool/request_plan.hpp"
#include "retriever_pool/retriever.hpp"
#include "retriever_pool/retry_budget.hpp"

namespace rookery::retriever_pool {

/// Where a call goes.
struct PlanTarget {
  std::string index, generation;
  std::int32_t shards = 0;
  friend bool operator==(const PlanTarget&, const PlanTarget&) = default;
};

/// A query for one shard, to one replica.
struct QueryMessage {
  RequestPlan::Replica replica = 0;
  AttemptId id;
  const PlanTarget* target = nullptr;  ///< valid during the call
  std::int32_t shard = 0;
  std::chrono::microseconds remaining{0};
};

/// How a message ended: its answer was used; a refusal or rubbish came; the connection broke;
/// nobody waits for it any more.
enum class AttemptEnd : std::uint8_t { kWon, kFailed, kLost, kAbandoned };

struct AttemptReport {
  RequestPlan::Replica replica = 0;
  AttemptId id;
  std::int32_t shard = 0;
  AttemptKind kind = AttemptKind::kFirst;
  AttemptEnd end = AttemptEnd::kWon;
  std::chrono::steady_clock::time_point sent{};
};

/// How a call ended: with all shards' answers of one generation, or with an error.
struct CallResult {
  std::optional<RetrievalError> error;
  std::vector<wire::AnswerBody> answers;  ///< by shard
  std::string generation;
  std::int32_t attempts = 0, hedges = 0;
};

/// What the core does to the world: sockets in a client, a simulated network in a test. Called from
/// within the core's functions; must not call back.
class RoutingPort {
 public:
  virtual ~RoutingPort() = default;
  /// Where the call goes now: nothing while there is no view, an error when it can go nowhere.
  struct Targeting {
    std::optional<PlanTarget> target = {};
    std::optional<RetrievalError> error = {};
  };
  virtual Targeting target(std::uint64_t call) = 0;
  /// False when the message cannot be handed over now.
  virtual bool send_query(const QueryMessage& message) = 0;
  virtual void send_cancel(RequestPlan::Replica replica, std::uint64_t call) = 0;
  virtual bool send_ping(RequestPlan::Replica replica, std::uint32_t number) = 0;
  /// Once for every call that was begun.
  virtual void finished(std::uint64_t call, CallResult result) = 0;

  virtual void attempt_over(const AttemptReport&) {}
  enum class Event { kSuspect, kEjected };
  virtual void noticed(RequestPlan::Replica, Event) {}
};

struct RoutingOptions {
  RetryPolicy retry = {};
  HedgeOptions hedge = {};
  bool ejection = true;
  ChoicePolicy choice = ChoicePolicy::kPowerOfTwo;
  std::uint64_t seed = 1;
};

struct CallTerms {
  std::uint64_t call = 0;  ///< a number that rises from call to call
  std::chrono::steady_clock::time_point deadline{};
  std::uint32_t work_class = 0;  ///< see ShardPace
};

/// All decisions of a client: which replica is asked, when another one is, who is left out, when a
/// call is over. Knows nothing of sockets, threads and clocks, so that a simulator can drive the
/// same code. One thread.
class RoutingCore {
 public:
  using Time = std::chrono::steady_clock::time_point;
  using Replica = RequestPlan::Replica;

  /// `port` outlives the core.
  RoutingCore(const RoutingOptions& options, RoutingPort& port);

  // --- the view ---
  void add(Replica number, const ReplicaPlace& place);
  void set_ready(Replica number, bool ready);
  /// What was in flight there is sent elsewhere.
  void remove(Replica number, const std::string& why, Time now);
  void view_changed();  ///< `target` may say something else now

  // --- the network ---
  void connected(Replica number, Time now);
  void disconnected(Replica number, const std::string& why, Time now);
  enum class Expectation { kNone, kOpen, kAbandoned };
  /// Whether an answer with this number is waited for there; kNone: it came late or twice.
  [[nodiscard]] Expectation expectation(Replica number, AttemptId id) const;
  /// A sound answer; of an abandoned message only its time counts.
  void answered(Replica number, AttemptId id, wire::AnswerBody answer, Time now);
  /// The replica said no, or sent rubbish.
  void failed(Replica number, AttemptId id, const wire::ErrorBody& error, Time now);
  /// An answer or a refusal to a ping.
  void ponged(Replica number, std::uint32_t ping, Time now);

  // --- calls ---
  void begin(const CallTerms& terms, Time now);
  /// Does what is due. Call it after each of the above and at `next_event`.
  void step(Time now);
  [[nodiscard]] Time next_event(Time now) const;
  void close(const RetrievalError& error);  ///< ends all calls

  [[nodiscard]] const ReplicaRoster& roster() const { return roster_; }
  [[nodiscard]] std::size_t calls() const { return calls_.size(); }

 private:
  struct Call {
    CallTerms terms;
    PlanTarget target;
    std::optional<RequestPlan> plan;  // unset until there is a target
    std::int32_t attempts = 0, hedges = 0;
    std::optional<Time> wake;
  };
  using Calls = std::map<std::uint64_t, Call>;

  Call* find(std::uint64_t call);
  void wake_at(Call& call, Time at);
  void advance(Call& call, Time now);
  [[nodiscard]] std::optional<RetrievalError> start_plan(Call& call);
  [[nodiscard]] std::optional<RetrievalError> ask_due_shards(Call& call, Time now);
  /// False when nobody serves the plan's generation any more.
  bool ask_due_shard(Call& call, std::int32_t shard, Time now);
  void hedge_due_shards(Call& call, Time now);
  void probe(Call& call, std::int32_t shard, Time now);
  bool ask(Call& call, std::int32_t shard, RoutedReplica& replica, AttemptKind kind, Time now);
  void expire(Call& call, Time now);
  void abandon(std::uint64_t call, std::optional<std::int32_t> shard, Time now);
  void release(RoutedReplica& replica, const std::string& why, Time now);
  void look_after(RoutedReplica& replica, Time now);
  void report(const RoutedReplica& replica, AttemptId id, const InFlight& message, AttemptEnd end);
  void finish(Call& call, const std::optional<RetrievalError>& error, Time now);
  [[nodiscard]] ReplicaPlace place_of(const Call& call, std::int32_t shard) const;

  RoutingOptions options_;
  RoutingPort& port_;
  ReplicaRoster roster_;
  RetryBudget retries_;
  ChoiceRandom random_;
  Calls calls_;
  std::set<std::pair<Time, std::uint64_t>> wakes_;
  bool all_due_ = false;  // a replica came or went: who waits for one looks again
  Time next_tick_{};
};

}  // namespace rookery::retriever_pool
