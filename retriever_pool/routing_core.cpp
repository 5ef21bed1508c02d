#include "retriever_pool/routing_core.hpp"

#include <algorithm>

namespace rookery::retriever_pool {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

constexpr milliseconds kTick{50};        // pings, silence and probes are looked at so often
constexpr milliseconds kHedgeCold{100};  // the delay while too little is known of a shard
constexpr milliseconds kHedgeAgain{20}, kHedgeAlone{1000};
constexpr milliseconds kBusyMin{10}, kBusyMax{1000};
constexpr milliseconds kHeldBackMin{500};  // a retry without a token; up to three times as long
constexpr std::int32_t kTimeoutOfP95 = 4;  // silence begins there, if not at the policy's timeout
constexpr std::int32_t kSilenceOfP95 = 2;

RosterOptions roster_options(const RoutingOptions& options) {
  return {options.hedge.enabled ? options.hedge.budget : 0, options.ejection, options.choice};
}

/// What a replica answered shows that something is wrong with it, not with the request or the load.
bool sick(wire::ErrorCode code) {
  return code == wire::ErrorCode::kInternal || code == wire::ErrorCode::kMalformed ||
         code == wire::ErrorCode::kBadVersion;
}

}  // namespace

RoutingCore::RoutingCore(const RoutingOptions& options, RoutingPort& port)
    : options_(options), port_(port), roster_(roster_options(options)), random_(options.seed) {}

// --- the view ---

void RoutingCore::add(Replica number, const ReplicaPlace& place) {
  roster_.add(number, place).ready = true;
  all_due_ = true;
}

void RoutingCore::set_ready(Replica number, bool ready) {
  if (RoutedReplica* replica = roster_.find(number)) {
    all_due_ |= ready && !replica->ready;
    replica->ready = ready;
  }
}

void RoutingCore::remove(Replica number, const std::string& why, Time now) {
  RoutedReplica* replica = roster_.find(number);
  if (replica == nullptr) return;
  release(*replica, why, now);
  roster_.remove(number);
}

void RoutingCore::view_changed() { all_due_ = true; }

// --- the network ---

void RoutingCore::connected(Replica number, Time now) {
  RoutedReplica* replica = roster_.find(number);
  if (replica == nullptr) return;
  replica->health.connected(now);
  if (replica->was_connected) replica->outlier.reconnected(now);
  replica->was_connected = true;
  all_due_ = true;
  look_after(*replica, now);
}

void RoutingCore::disconnected(Replica number, const std::string& why, Time now) {
  RoutedReplica* replica = roster_.find(number);
  if (replica == nullptr) return;
  replica->health.disconnected();
  release(*replica, why, now);
}

void RoutingCore::release(RoutedReplica& replica, const std::string& why, Time now) {
  for (const auto& [id, message] : replica.in_flight) {
    if (message.abandoned) continue;
    report(replica, id, message, AttemptEnd::kLost);
    Call* call = find(id.first);
    if (call == nullptr || !call->plan || message.kind == AttemptKind::kProbe) continue;
    call->plan->lost(message.shard, replica.number, why);
    wake_at(*call, now);
  }
  replica.in_flight.clear();
  replica.open = 0;
}

RoutingCore::Expectation RoutingCore::expectation(Replica number, AttemptId id) const {
  const auto replica = roster_.all().find(number);
  if (replica == roster_.all().end()) return Expectation::kNone;
  const auto found = replica->second.in_flight.find(id);
  if (found == replica->second.in_flight.end()) return Expectation::kNone;
  return found->second.abandoned ? Expectation::kAbandoned : Expectation::kOpen;
}

void RoutingCore::answered(Replica number, AttemptId id, wire::AnswerBody answer, Time now) {
  RoutedReplica* replica = roster_.find(number);
  if (replica == nullptr) return;
  replica->health.seen();
  const auto message = replica->take(id);
  if (!message) return;
  if (roster_.answered(*replica, *message, now))
    port_.noticed(number, RoutingPort::Event::kEjected);
  Call* call = message->abandoned ? nullptr : find(id.first);
  if (call == nullptr || !call->plan) return;
  if (!call->plan->answered(message->shard, std::move(answer))) return;
  retries_.success();
  report(*replica, id, *message, AttemptEnd::kWon);
  abandon(id.first, message->shard, now);  // whoever else was asked need not search any more
  wake_at(*call, now);
}

void RoutingCore::failed(Replica number, AttemptId id, const wire::ErrorBody& error, Time now) {
  RoutedReplica* replica = roster_.find(number);
  if (replica == nullptr) return;
  replica->health.seen();
  const auto message = replica->take(id);
  if (!message) return;
  if (error.code == wire::ErrorCode::kOverloaded) {
    replica->busy_until = now + std::clamp(milliseconds(error.retry_after_ms), kBusyMin, kBusyMax);
  }
  if (sick(error.code) && replica->outlier.failed(now) && options_.ejection) {
    port_.noticed(number, RoutingPort::Event::kEjected);
  }
  if (message->abandoned) return;
  report(*replica, id, *message, AttemptEnd::kFailed);
  Call* call = find(id.first);
  if (call == nullptr || !call->plan || message->kind == AttemptKind::kProbe) return;
  call->plan->failed(message->shard, number, error, now);
  if (call->plan->needs_retry_token(message->shard)) retries_.failure();
  wake_at(*call, now);
}

void RoutingCore::ponged(Replica number, std::uint32_t ping, Time now) {
  RoutedReplica* replica = roster_.find(number);
  if (replica == nullptr || !replica->health.ponged(ping)) return;
  replica->outlier.ponged(now);
  // Without copies that probe it, an estimate that keeps queries away could never change.
  const bool idle = now - replica->asked >= ReplicaHealth::kPingEvery;
  if (idle && !replica->lore->budget.may_probe()) replica->health.fade();
}

// --- calls ---

RoutingCore::Call* RoutingCore::find(std::uint64_t call) {
  const auto found = calls_.find(call);
  return found == calls_.end() ? nullptr : &found->second;
}

void RoutingCore::wake_at(Call& call, Time at) {
  if (call.wake) {
    if (*call.wake <= at) return;
    wakes_.erase({*call.wake, call.terms.call});
  }
  call.wake = at;
  wakes_.insert({at, call.terms.call});
}

void RoutingCore::begin(const CallTerms& terms, Time now) {
  Call& call = calls_[terms.call];
  call.terms = terms;
  wake_at(call, now);
}

void RoutingCore::step(Time now) {
  if (now >= next_tick_) {
    next_tick_ = now + kTick;
    for (auto& [number, replica] : roster_.all()) look_after(replica, now);
  }
  std::vector<std::uint64_t> due;
  if (all_due_) {
    for (const auto& [serial, call] : calls_) due.push_back(serial);
  } else {
    for (const auto& [time, serial] : wakes_) {
      if (time > now) break;
      due.push_back(serial);
    }
  }
  all_due_ = false;
  for (const std::uint64_t serial : due) {
    if (Call* call = find(serial)) advance(*call, now);
  }
}

RoutingCore::Time RoutingCore::next_event(Time now) const {
  if (all_due_) return now;
  return wakes_.empty() ? next_tick_ : std::min(next_tick_, wakes_.begin()->first);
}

void RoutingCore::close(const RetrievalError& error) {
  while (!calls_.empty()) finish(calls_.begin()->second, error, {});
}

void RoutingCore::advance(Call& call, Time now) {
  if (call.wake) wakes_.erase({*call.wake, call.terms.call});
  call.wake.reset();
  std::optional<RetrievalError> error;
  if (!call.plan) error = start_plan(call);
  if (call.plan && !error) {
    expire(call, now);
    error = ask_due_shards(call, now);
    if (!error) hedge_due_shards(call, now);
    if (call.plan->complete()) return finish(call, std::nullopt, now);
    if (!error) error = call.plan->fatal();
  }
  if (!error && now >= call.terms.deadline) {
    error = call.plan ? call.plan->deadline_error()
                      : RetrievalError(RetrievalFault::kUnavailable,
                                       "the head gave no routing view with shards");
  }
  if (error) return finish(call, error, now);
  wake_at(call, call.terms.deadline);
  if (call.plan) wake_at(call, call.plan->next_event(now).value_or(call.terms.deadline));
}

std::optional<RetrievalError> RoutingCore::start_plan(Call& call) {
  const RoutingPort::Targeting targeting = port_.target(call.terms.call);
  if (targeting.error || !targeting.target) return targeting.error;
  call.target = *targeting.target;
  call.plan.emplace(call.target.shards, call.target.generation, options_.retry);
  return std::nullopt;
}

void RoutingCore::expire(Call& call, Time now) {
  for (const auto& timeout : call.plan->expire(now)) {
    retries_.failure();
    RoutedReplica* replica = roster_.find(timeout.replica);
    if (replica == nullptr) continue;
    if (replica->outlier.failed(now) && options_.ejection) {
      port_.noticed(timeout.replica, RoutingPort::Event::kEjected);
    }
  }
}

ReplicaPlace RoutingCore::place_of(const Call& call, std::int32_t shard) const {
  return {call.target.index, call.target.generation, shard};
}

std::optional<RetrievalError> RoutingCore::ask_due_shards(Call& call, Time now) {
  for (const std::int32_t shard : call.plan->due(now)) {
    if (ask_due_shard(call, shard, now)) continue;
    const RoutingPort::Targeting targeting = port_.target(call.terms.call);
    if (targeting.error) return targeting.error;
    if (!targeting.target || *targeting.target == call.target) continue;
    // The colony has moved on to another generation: begin anew, so that shards never mix.
    abandon(call.terms.call, std::nullopt, now);
    if (auto error = start_plan(call)) return error;
    return ask_due_shards(call, now);
  }
  return std::nullopt;
}

bool RoutingCore::ask_due_shard(Call& call, std::int32_t shard, Time now) {
  const ReplicaPlace place = place_of(call, shard);
  ReplicaRoster::Choice choice = roster_.choice(place, call.plan->excluded(shard), now);
  if (!choice.candidates.empty() && call.plan->needs_retry_token(shard) && !retries_.may_retry()) {
    const auto spread = static_cast<std::int64_t>(random_.below(2 * kHeldBackMin.count()));
    call.plan->hold_back(shard, now + kHeldBackMin + milliseconds(spread));
    return true;
  }
  const AttemptKind kind = call.plan->next_kind(shard);
  bool refused = false;
  while (const auto chosen = choose_replica(choice.candidates, random_, choice.rules)) {
    if (ask(call, shard, *roster_.find(*chosen), kind, now)) {
      if (kind == AttemptKind::kFirst) probe(call, shard, now);
      return true;
    }
    refused = true;  // its queue to the network is full: try the others
    std::erase_if(choice.candidates, [&](const Candidate& c) { return c.replica == *chosen; });
  }
  if (choice.any_excluded || refused) {
    call.plan->new_round(shard, now);
    return true;
  }
  return roster_.serves(place);
}

void RoutingCore::hedge_due_shards(Call& call, Time now) {
  for (const std::int32_t shard : call.plan->hedges_due(now)) {
    const ReplicaPlace place = place_of(call, shard);
    ReplicaRoster::Choice choice = roster_.choice(place, call.plan->excluded(shard), now);
    std::erase_if(choice.candidates, [&](const Candidate& c) {
      return c.suspect || c.ejected || call.plan->open_at(shard, c.replica);
    });
    HedgeBudget& budget = roster_.lore(place).budget;
    const bool strained = 2 * (choice.out + choice.busy) > choice.replicas;
    const auto chosen = strained || !budget.may_hedge()
                            ? std::nullopt
                            : choose_replica(choice.candidates, random_, choice.rules);
    if (chosen && ask(call, shard, *roster_.find(*chosen), AttemptKind::kHedge, now)) {
      budget.spend();
      ++call.hedges;
    } else {
      call.plan->postpone_hedge(shard, now + (choice.replicas < 2 ? kHedgeAlone : kHedgeAgain));
    }
  }
}

// The copy costs its caller nothing: the other replica was asked already.
void RoutingCore::probe(Call& call, std::int32_t shard, Time now) {
  const ReplicaPlace place = place_of(call, shard);
  HedgeBudget& budget = roster_.lore(place).budget;
  if (!budget.may_probe()) return;
  RoutedReplica* replica = roster_.to_probe(place, now);
  if (replica == nullptr || call.plan->open_at(shard, replica->number)) return;
  if (!ask(call, shard, *replica, AttemptKind::kProbe, now)) return;
  replica->outlier.probe_sent(now);
  budget.spend();
  ++call.hedges;
}

bool RoutingCore::ask(Call& call, std::int32_t shard, RoutedReplica& replica, AttemptKind kind,
                      Time now) {
  const auto left = std::chrono::duration_cast<microseconds>(call.terms.deadline - now);
  const AttemptId id{call.terms.call, static_cast<std::uint32_t>(call.attempts + 1)};
  if (!port_.send_query(
          {replica.number, id, &call.target, shard, std::max(left, microseconds{0})})) {
    return false;
  }
  ++call.attempts;
  replica.add(id, {shard, kind, call.terms.work_class, now, false});
  ShardLore& lore = *replica.lore;
  if (kind == AttemptKind::kFirst) lore.budget.query();
  if (kind == AttemptKind::kProbe) return true;  // the plan does not rely on it
  const auto p95 = lore.pace.p95(call.terms.work_class);
  RequestPlan::Sending sending;
  sending.kind = kind;
  if (p95) sending.timeout_min = kTimeoutOfP95 * *p95;
  if (options_.hedge.enabled && kind != AttemptKind::kHedge) {
    sending.hedge_after =
        std::max<microseconds>(options_.hedge.delay_min, p95.value_or(kHedgeCold));
  }
  call.plan->sent(shard, replica.number, now, sending);
  return true;
}

void RoutingCore::abandon(std::uint64_t serial, std::optional<std::int32_t> shard, Time now) {
  for (auto& [number, replica] : roster_.all()) {
    bool cancel = false;
    for (auto item = replica.in_flight.lower_bound({serial, 0});
         item != replica.in_flight.end() && item->first.first == serial; ++item) {
      const InFlight& message = item->second;
      if (message.abandoned || (shard && message.shard != *shard)) continue;
      report(replica, item->first, message, AttemptEnd::kAbandoned);
      // It takes at least as long as it was waited for; a call that is over for another reason says
      // nothing of it.
      if (shard) {
        const auto waited = std::chrono::duration_cast<microseconds>(now - message.sent);
        replica.health.at_least(replica.lore->pace.relative(message.work_class, waited));
      }
      replica.abandon(item->first);
      cancel |= message.kind != AttemptKind::kProbe;  // its answer is wanted for its time
    }
    if (cancel) port_.send_cancel(number, serial);
  }
}

void RoutingCore::look_after(RoutedReplica& replica, Time now) {
  ReplicaHealth& health = replica.health;
  const auto p95 = replica.lore->pace.p95_of_slowest().value_or(microseconds{0});
  const auto limit =
      std::max(ReplicaHealth::kSuspectAfter, std::chrono::ceil<milliseconds>(kSilenceOfP95 * p95));
  if (health.check(now, limit)) {
    replica.outlier.silent(now);
    port_.noticed(replica.number, RoutingPort::Event::kSuspect);
  }
  if (health.ping_due(now) && port_.send_ping(replica.number, health.next_ping())) {
    health.ping_sent(now);
  }
  // A plan looks after its own messages, but it knows nothing of probes.
  std::vector<AttemptId> late;
  for (const auto& [id, message] : replica.in_flight) {
    const bool probe = message.kind == AttemptKind::kProbe && !message.abandoned;
    if (probe && now - message.sent >= options_.retry.attempt_timeout) late.push_back(id);
  }
  for (const AttemptId& id : late) {
    report(replica, id, replica.in_flight.at(id), AttemptEnd::kAbandoned);
    replica.abandon(id);
    replica.outlier.failed(now);
  }
}

void RoutingCore::report(const RoutedReplica& replica, AttemptId id, const InFlight& message,
                         AttemptEnd end) {
  port_.attempt_over({replica.number, id, message.shard, message.kind, end, message.sent});
}

void RoutingCore::finish(Call& call, const std::optional<RetrievalError>& error, Time now) {
  const std::uint64_t serial = call.terms.call;
  abandon(serial, std::nullopt, now);
  CallResult result;
  result.error = error;
  result.attempts = call.attempts;
  result.hedges = call.hedges;
  result.generation = call.target.generation;
  if (!error) result.answers = call.plan->take_answers();
  if (call.wake) wakes_.erase({*call.wake, serial});
  calls_.erase(serial);
  port_.finished(serial, std::move(result));
}

}  // namespace rookery::retriever_pool
