#include "retriever_pool/request_plan.hpp"

#include <algorithm>

namespace rookery::retriever_pool {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kPauseMin{2}, kPauseMax{200};
constexpr std::int32_t kDoublingsMax = 6;

RetrievalFault fault_of(wire::ErrorCode code) {
  switch (code) {
    case wire::ErrorCode::kOverloaded:
      return RetrievalFault::kOverloaded;
    case wire::ErrorCode::kDeadline:
      return RetrievalFault::kDeadline;
    case wire::ErrorCode::kInvalid:
    case wire::ErrorCode::kTooLarge:
      return RetrievalFault::kInvalid;
    case wire::ErrorCode::kDraining:
    case wire::ErrorCode::kUnavailable:
    case wire::ErrorCode::kWrongGeneration:
      return RetrievalFault::kUnavailable;
    default:
      return RetrievalFault::kInternal;
  }
}

// A replica that goes away, or that has already swapped its generation, did not fail: another one
// or a newer view helps.
bool leaving(wire::ErrorCode code) { return fault_of(code) == RetrievalFault::kUnavailable; }

}  // namespace

RequestPlan::RequestPlan(std::int32_t shards, std::string generation, RetryPolicy policy)
    : shards_(static_cast<std::size_t>(shards)),
      generation_(std::move(generation)),
      policy_(policy),
      answers_left_(shards) {}

bool RequestPlan::asking(const Shard& shard) const {
  return std::any_of(shard.open.begin(), shard.open.end(),
                     [](const Attempt& attempt) { return !attempt.timed_out; });
}

std::vector<std::int32_t> RequestPlan::due(Time now) const {
  std::vector<std::int32_t> result;
  for (std::size_t s = 0; s < shards_.size(); ++s) {
    const Shard& shard = shards_[s];
    if (!shard.answer && !asking(shard) && now >= shard.not_before &&
        shard.failures < policy_.failures_max && shard.losses < policy_.losses_max) {
      result.push_back(static_cast<std::int32_t>(s));
    }
  }
  return result;
}

const std::set<RequestPlan::Replica>& RequestPlan::excluded(std::int32_t shard) const {
  return shards_[static_cast<std::size_t>(shard)].excluded;
}

void RequestPlan::new_round(std::int32_t number, Time now) {
  Shard& shard = shards_[static_cast<std::size_t>(number)];
  shard.excluded.clear();
  const milliseconds doubled = kPauseMin * (1 << std::min(shard.rounds, kDoublingsMax));
  shard.not_before = now + std::clamp(std::max(doubled, shard.pause), kPauseMin, kPauseMax);
  shard.pause = milliseconds{0};
  ++shard.rounds;
}

AttemptKind RequestPlan::next_kind(std::int32_t shard) const {
  const Shard& asked = shards_[static_cast<std::size_t>(shard)];
  return asked.failures + asked.losses > 0 ? AttemptKind::kRetry : AttemptKind::kFirst;
}

bool RequestPlan::needs_retry_token(std::int32_t shard) const {
  return shards_[static_cast<std::size_t>(shard)].needs_token;
}

void RequestPlan::hold_back(std::int32_t number, Time until) {
  Shard& shard = shards_[static_cast<std::size_t>(number)];
  shard.not_before = until;
  shard.needs_token = false;
}

std::uint32_t RequestPlan::sent(std::int32_t number, Replica replica, Time now,
                                const Sending& sending) {
  Shard& shard = shards_[static_cast<std::size_t>(number)];
  const auto base =
      std::max<std::chrono::microseconds>(policy_.attempt_timeout, sending.timeout_min);
  shard.open.push_back({replica, now + base * (1 << std::min(shard.timeouts, kDoublingsMax))});
  if (sending.kind == AttemptKind::kHedge) shard.hedge_at.reset();
  if (sending.hedge_after && !shard.hedged) shard.hedge_at = now + *sending.hedge_after;
  shard.hedged |= sending.kind == AttemptKind::kHedge;
  shard.needs_token = false;
  return static_cast<std::uint32_t>(++attempts_);
}

std::vector<std::int32_t> RequestPlan::hedges_due(Time now) const {
  std::vector<std::int32_t> result;
  for (std::size_t s = 0; s < shards_.size(); ++s) {
    const Shard& shard = shards_[s];
    if (!shard.answer && shard.hedge_at && asking(shard) && now >= *shard.hedge_at) {
      result.push_back(static_cast<std::int32_t>(s));
    }
  }
  return result;
}

void RequestPlan::postpone_hedge(std::int32_t shard, Time until) {
  shards_[static_cast<std::size_t>(shard)].hedge_at = until;
}

bool RequestPlan::open_at(std::int32_t shard, Replica replica) const {
  const auto& open = shards_[static_cast<std::size_t>(shard)].open;
  return std::any_of(open.begin(), open.end(),
                     [&](const Attempt& attempt) { return attempt.replica == replica; });
}

bool RequestPlan::has_answer(std::int32_t shard) const {
  return shards_[static_cast<std::size_t>(shard)].answer.has_value();
}

bool RequestPlan::answered(std::int32_t number, wire::AnswerBody answer) {
  Shard& shard = shards_[static_cast<std::size_t>(number)];
  if (shard.answer) return false;
  shard.answer = std::move(answer);
  shard.open.clear();
  --answers_left_;
  return true;
}

void RequestPlan::close(Shard& shard, Replica replica) {
  const auto found = std::find_if(shard.open.begin(), shard.open.end(),
                                  [&](const Attempt& a) { return a.replica == replica; });
  if (found != shard.open.end()) shard.open.erase(found);
}

void RequestPlan::failed(std::int32_t number, Replica replica, const wire::ErrorBody& error,
                         Time now) {
  Shard& shard = shards_[static_cast<std::size_t>(number)];
  if (shard.answer) return;
  close(shard, replica);
  shard.fault = fault_of(error.code);
  shard.trouble = wire::to_string(error.code) + ": " + error.text;
  shard.excluded.insert(replica);
  shard.pause = milliseconds(error.retry_after_ms);
  shard.not_before = std::max(shard.not_before, now);
  if (shard.fault == RetrievalFault::kInvalid) {
    fatal_ = RetrievalError(RetrievalFault::kInvalid, error.text);
    return;
  }
  if (leaving(error.code)) {
    ++shard.losses;
  } else {
    ++shard.failures;
    shard.needs_token = true;
  }
  give_up_if_spent(number);
}

void RequestPlan::lost(std::int32_t number, Replica replica, const std::string& why) {
  Shard& shard = shards_[static_cast<std::size_t>(number)];
  if (shard.answer) return;
  close(shard, replica);
  shard.fault = RetrievalFault::kUnavailable;
  shard.trouble = why;
  ++shard.losses;
  give_up_if_spent(number);
}

std::vector<RequestPlan::Timeout> RequestPlan::expire(Time now) {
  std::vector<Timeout> result;
  for (std::size_t s = 0; s < shards_.size(); ++s) {
    Shard& shard = shards_[s];
    if (shard.answer) continue;
    for (Attempt& attempt : shard.open) {
      if (attempt.timed_out || now < attempt.until) continue;
      attempt.timed_out = true;
      shard.excluded.insert(attempt.replica);
      shard.fault = RetrievalFault::kDeadline;
      shard.trouble = "a replica was silent for the whole attempt";
      ++shard.failures;
      ++shard.timeouts;
      shard.needs_token = true;
      result.push_back({static_cast<std::int32_t>(s), attempt.replica});
    }
  }
  return result;
}

// Silent replicas may still answer, so only a shard without any open attempt is given up.
void RequestPlan::give_up_if_spent(std::int32_t number) {
  const Shard& shard = shards_[static_cast<std::size_t>(number)];
  if (!shard.open.empty()) return;
  if (shard.failures < policy_.failures_max && shard.losses < policy_.losses_max) return;
  fatal_ =
      RetrievalError(shard.fault, "shard " + std::to_string(number) + " gave no answer after " +
                                      std::to_string(shard.failures + shard.losses) +
                                      " attempts: " + shard.trouble);
}

std::optional<RequestPlan::Time> RequestPlan::next_event(Time now) const {
  std::optional<Time> next;
  const auto consider = [&](Time time) {
    if (!next || time < *next) next = time;
  };
  for (const Shard& shard : shards_) {
    if (shard.answer) continue;
    // A pause that is over waits for a replica, not for the clock.
    if (!asking(shard) && shard.not_before > now) consider(shard.not_before);
    for (const Attempt& attempt : shard.open) {
      if (!attempt.timed_out) consider(attempt.until);
    }
    if (shard.hedge_at && asking(shard)) consider(*shard.hedge_at);
  }
  return next;
}

RetrievalError RequestPlan::deadline_error() const {
  for (std::size_t s = 0; s < shards_.size(); ++s) {
    const Shard& shard = shards_[s];
    if (shard.answer) continue;
    const std::string name = "shard " + std::to_string(s);
    if (shard.open.empty()) {
      const std::string why = shard.trouble.empty() ? "" : " (" + shard.trouble + ")";
      const auto fault =
          shard.fault == RetrievalFault::kDeadline ? RetrievalFault::kUnavailable : shard.fault;
      return {fault, name + " had no replica that could be asked before the deadline" + why};
    }
    return {RetrievalFault::kDeadline, name + " gave no answer before the deadline"};
  }
  return {RetrievalFault::kDeadline, "no answer before the deadline"};
}

std::vector<wire::AnswerBody> RequestPlan::take_answers() {
  std::vector<wire::AnswerBody> answers;
  for (Shard& shard : shards_) answers.push_back(std::move(*shard.answer));
  return answers;
}

}  // namespace rookery::retriever_pool
