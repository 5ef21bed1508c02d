#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "retriever_pool/retriever.hpp"
#include "retriever_pool/wire_bodies.hpp"

namespace rookery::retriever_pool {

struct RetryPolicy {
  std::chrono::milliseconds attempt_timeout{500};  ///< of the first attempt; doubles with each one
  std::int32_t failures_max = 4;                   ///< timeouts and refusals per shard
  std::int32_t losses_max = 64;  ///< attempts whose replica died or left, per shard
};

/// What a message is sent for: at first, because one failed or was lost, because one is slow, or to
/// try a replica that is not asked otherwise.
enum class AttemptKind : std::uint8_t { kFirst, kRetry, kHedge, kProbe };

/// The course of one request over all shards: who is asked, when to ask another, when to give up.
/// Pure code on a clock that the caller tells; knows nothing of sockets. A replica is a number of
/// the caller's, never used again for another one.
class RequestPlan {
 public:
  using Time = std::chrono::steady_clock::time_point;
  using Replica = std::uint64_t;

  RequestPlan(std::int32_t shards, std::string generation, RetryPolicy policy);

  /// Shards that want a message sent now.
  [[nodiscard]] std::vector<std::int32_t> due(Time now) const;
  /// Replicas that already failed this shard in this round: ask others first.
  [[nodiscard]] const std::set<Replica>& excluded(std::int32_t shard) const;
  /// All that could be asked are excluded: begin a new round, after a pause.
  void new_round(std::int32_t shard, Time now);
  /// What the next message of a shard that is due would be: kFirst or kRetry.
  [[nodiscard]] AttemptKind next_kind(std::int32_t shard) const;
  /// A replica failed it, so that its next message is one of those that can become a storm. A lost
  /// connection does not count: it can break but once.
  [[nodiscard]] bool needs_retry_token(std::int32_t shard) const;
  /// There is no token: it waits until then, and needs none afterwards.
  void hold_back(std::int32_t shard, Time until);
  struct Sending {
    AttemptKind kind = AttemptKind::kFirst;
    std::chrono::microseconds timeout_min{0};                   ///< a floor of the policy's timeout
    std::optional<std::chrono::microseconds> hedge_after = {};  ///< unset: as it was
  };
  /// The message went out. Returns the attempt's number, from 1 over all shards.
  std::uint32_t sent(std::int32_t shard, Replica replica, Time now, const Sending& sending);
  std::uint32_t sent(std::int32_t shard, Replica replica, Time now) {
    return sent(shard, replica, now, {});
  }

  /// Shards whose answer is late enough for a second copy; at most one copy a shard.
  [[nodiscard]] std::vector<std::int32_t> hedges_due(Time now) const;
  /// No copy could be sent now: ask again then.
  void postpone_hedge(std::int32_t shard, Time until);
  /// Replicas that a message of this shard is open at.
  [[nodiscard]] bool open_at(std::int32_t shard, Replica replica) const;

  /// A good answer came. False when this shard already has one (a duplicate).
  bool answered(std::int32_t shard, wire::AnswerBody answer);
  [[nodiscard]] bool has_answer(std::int32_t shard) const;
  /// The replica said no, or sent something unusable.
  void failed(std::int32_t shard, Replica replica, const wire::ErrorBody& error, Time now);
  /// The replica is gone.
  void lost(std::int32_t shard, Replica replica, const std::string& why);
  /// Attempts whose time is up; the shards become due again. Answers that come late still count.
  struct Timeout {
    std::int32_t shard;
    Replica replica;
  };
  std::vector<Timeout> expire(Time now);

  /// When `due`, `hedges_due` or `expire` has something next, if nothing happens before.
  [[nodiscard]] std::optional<Time> next_event(Time now) const;
  [[nodiscard]] bool complete() const { return answers_left_ == 0; }
  /// Set when no retry can help; more shards need not be asked.
  [[nodiscard]] const std::optional<RetrievalError>& fatal() const { return fatal_; }
  /// What to tell the caller at the deadline.
  [[nodiscard]] RetrievalError deadline_error() const;

  [[nodiscard]] const std::string& generation() const { return generation_; }
  [[nodiscard]] std::int32_t attempts() const { return attempts_; }
  /// One a shard, all present once `complete`.
  std::vector<wire::AnswerBody> take_answers();

 private:
  struct Attempt {
    Replica replica;
    Time until;
    bool timed_out = false;
  };
  struct Shard {
    std::optional<wire::AnswerBody> answer;
    std::vector<Attempt> open;
    std::set<Replica> excluded;
    Time not_before{};
    std::optional<Time> hedge_at;
    bool needs_token = false;
    bool hedged = false;
    std::chrono::milliseconds pause{0};  // before the next round
    std::int32_t failures = 0, losses = 0, rounds = 0, timeouts = 0;
    RetrievalFault fault = RetrievalFault::kUnavailable;
    std::string trouble;  // the newest
  };
  [[nodiscard]] bool asking(const Shard& shard) const;
  void close(Shard& shard, Replica replica);
  void give_up_if_spent(std::int32_t number);

  std::vector<Shard> shards_;
  std::string generation_;
  RetryPolicy policy_;
  std::int32_t answers_left_, attempts_ = 0;
  std::optional<RetrievalError> fatal_;
};

}  // namespace rookery::retriever_pool
