#include "retriever_pool/detail/client_loop.hpp"

#include <algorithm>

#include "base/log.hpp"
#include "base/trace.hpp"
#include "retriever_pool/detail/random_id.hpp"

namespace rookery::retriever_pool::detail {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr std::uint64_t kPingCall = 0;
constexpr std::uint64_t kPingUs = 10'000'000;  // a ping may wait for so long in a server's queue
constexpr milliseconds kCountEvery{1000};
// Callers that come at shorter intervals find the sockets free.
constexpr milliseconds kCallersPause{2};
constexpr std::int32_t kLossesMax = 64;

RetrievalError closing_error() { return {RetrievalFault::kUnavailable, "the client is closing"}; }

RoutingOptions routing_options(const PoolClientOptions& options) {
  return {{options.attempt_timeout, options.attempts_max, kLossesMax},
          options.hedge,
          options.ejection,
          options.choice,
          options.seed};
}

}  // namespace

ClientLoop::ClientLoop(const PoolClientOptions& options)
    : options_(options),
      client_(random_id()),
      head_(context_, options.head, options.keys),
      replicas_(options.keys),
      core_(routing_options(options), *this) {
  if (options.metrics != nullptr) metrics_.emplace(*options.metrics);
  thread_ = std::thread([this] { keep(); });
}

ClientLoop::~ClientLoop() {
  close();
  thread_.join();
}

void ClientLoop::close() {
  const Lock lock(mutex_);
  closing_ = true;
  core_.close(closing_error());
  keeper_wakes_.notify_all();
  keeper_bell_.ring();
  caller_bell_.ring();
}

bool ClientLoop::wait_for_view(milliseconds timeout) {
  std::unique_lock lock(view_mutex_);
  return view_came_.wait_until(lock, Clock::now() + timeout, [this] { return view_.has_value(); });
}

std::string ClientLoop::head_trouble() const {
  const std::lock_guard lock(view_mutex_);
  return head_trouble_;
}

IndexDescription ClientLoop::index(const std::string& generation) const {
  const std::lock_guard lock(view_mutex_);
  if (!view_) return {};
  const GenerationView* found =
      generation.empty() ? view_->live(options_.index) : view_->find(options_.index, generation);
  return found != nullptr ? found->index : IndexDescription{};
}

LocalSource ClientLoop::local_source(const std::string& generation) const {
  static const std::string host = this_host();
  const std::lock_guard lock(view_mutex_);
  const GenerationView* found = view_ ? view_->find(options_.index, generation) : nullptr;
  if (found == nullptr) return {};
  const auto& members = view_->members;
  const bool here = std::any_of(members.begin(), members.end(), [&](const ReplicaView& member) {
    return member.host == host && member.generation == generation &&
           member.index == found->index_name;
  });
  return {here ? found->snapshot : "", generation, found->index.files_digest};
}

// --- who drives ---

void ClientLoop::run(PoolCall& call) {
  Lock lock(mutex_);
  if (closing_) {
    call.error = closing_error();
    return;
  }
  call.serial = ++last_serial_;
  calls_.emplace(call.serial, &call);
  core_.begin({call.serial, call.deadline, call.work_class}, Clock::now());
  settle();
  while (!call.done) {
    if (caller_drives_) {
      call.changed.wait(lock);
    } else {
      drive(lock, Driver::kCaller);
    }
  }
  pass_on();
}

// The next caller leads; without one the keeper does, as soon as no call has come for a while.
void ClientLoop::pass_on() {
  if (caller_drives_) return;
  if (!calls_.empty()) return calls_.begin()->second->changed.notify_one();
  last_drive_ = Clock::now();
  if (keeper_ == Keeper::kWaits) keeper_wakes_.notify_one();
  if (keeper_ == Keeper::kPolls && next_step() < keeper_until_) keeper_bell_.ring();
}

void ClientLoop::keep() {
  Lock lock(mutex_);
  while (!closing_) {
    const Time alone = last_drive_ + kCallersPause;
    if (caller_drives_) {
      keeper_ = Keeper::kWaits;
      keeper_wakes_.wait(lock);
    } else if (Clock::now() < alone) {
      keeper_ = Keeper::kAway;
      keeper_wakes_.wait_until(lock, alone);
    } else {
      keeper_ = Keeper::kPolls;
      drive(lock, Driver::kKeeper);
    }
    keeper_ = Keeper::kAway;
  }
}

// Waits until something comes or is due, and deals with it. Whatever came before was dealt with by
// the one who drove then; of the first one the head's link is due at once.
void ClientLoop::drive(Lock& lock, Driver driver) {
  const bool caller = driver == Driver::kCaller;
  SocketWatch watch((caller ? caller_bell_ : keeper_bell_).descriptor());
  watch.add(head_.link());
  for (auto& [number, replica] : replicas_.all()) watch.add(*replica.link, number);
  const Time until = next_step();
  if (caller) caller_drives_ = true;
  if (!caller) keeper_until_ = until;
  lock.unlock();
  const bool rung = watch.wait(until);
  lock.lock();
  if (rung) (caller ? caller_bell_ : keeper_bell_).clear();
  if (caller) caller_drives_ = false;
  if (!caller && caller_drives_) return;  // a caller polls the same sockets, and is in a hurry
  take_what_came(watch);
  settle();
}

// --- driving: `mutex_` is held ---

ClientLoop::Time ClientLoop::next_step() const {
  Time next = std::min(core_.next_event(Clock::now()), head_.next_step());
  for (const auto& [number, replica] : replicas_.all()) {
    next = std::min(next, replica.link->next_step());
  }
  return metrics_ ? std::min(next, next_count_) : next;
}

void ClientLoop::take_what_came(const SocketWatch& watch) {
  const Time now = Clock::now();
  for (const auto number : watch.ready()) {
    if (ReplicaLink* replica = replicas_.find(number)) read_replica(number, *replica, now);
  }
  if (watch.head_ready()) step_head(now);
}

// Does what is due, until nothing that came is left unread: sending may take the sign that a
// message has come from a socket's descriptor.
void ClientLoop::settle() {
  const Time now = Clock::now();
  while (now >= head_.next_step() || head_.link().unread()) step_head(now);
  while (true) {
    core_.step(Clock::now());
    bool quiet = true;
    for (auto& [number, replica] : replicas_.all()) {
      if (!replica.link->unread() && now < replica.link->next_step()) continue;
      quiet = false;
      read_replica(number, replica, Clock::now());
    }
    if (quiet) break;
  }
  if (metrics_ && now >= next_count_) {
    metrics_->set_replicas(core_.roster(), now);
    next_count_ = now + kCountEvery;
  }
}

void ClientLoop::step_head(Time now) {
  if (auto view = head_.step(now)) apply_view(*view, now);
  const std::lock_guard lock(view_mutex_);
  if (head_trouble_ != head_.trouble()) head_trouble_ = head_.trouble();
}

void ClientLoop::apply_view(const RoutingView& view, Time now) {
  {
    const std::lock_guard lock(view_mutex_);
    // A head that has just started does not know all nodes yet: while the old view still serves,
    // go on with it until they have registered again.
    if (view_ && view.term != view_->term && view_->serves_all_shards() &&
        !view.serves_all_shards()) {
      return;
    }
    view_ = view;
  }
  view_came_.notify_all();
  replicas_.apply(context_, view, core_, now);
  if (keeper_ == Keeper::kPolls) keeper_bell_.ring();  // it polls the old ones
}

void ClientLoop::read_replica(Replica number, ReplicaLink& replica, Time now) {
  while (true) {
    const auto frames = replica.link->receive();
    if (frames.empty()) break;
    read_message(number, replica, frames, now);
  }
  while (const auto change = replica.link->next_change()) {
    if (*change == Link::Change::kConnected) {
      core_.connected(number, now);
    } else {
      core_.disconnected(number, "the connection to " + replica.node + " broke", now);
    }
  }
}

void ClientLoop::read_message(Replica number, const ReplicaLink& replica,
                              const std::vector<zmq::message_t>& frames, Time now) {
  try {
    if (frames.size() != 2) {
      throw wire::WireError(wire::ErrorCode::kMalformed, "expected two frames");
    }
    const wire::Header header = wire::decode_header(bytes_of(frames[0]));
    if (header.request.high != client_) return;
    // A ping that was refused has been through the queue's door all the same.
    if (header.type == wire::Type::kPong || header.request.low == kPingCall) {
      return core_.ponged(number, header.attempt, now);
    }
    take_reply(number, replica, header, frames, now);
  } catch (const wire::WireError& error) {
    base::logger("retriever_pool")->warn("{}: {}", replica.node, error.what());
  }
}

void ClientLoop::take_reply(Replica number, const ReplicaLink& replica, const wire::Header& header,
                            const std::vector<zmq::message_t>& frames, Time now) {
  const AttemptId id{header.request.low, header.attempt};
  const auto expectation = core_.expectation(number, id);
  // An answer that came late or twice: whoever asked has what they wanted.
  if (expectation == RoutingCore::Expectation::kNone) return;
  try {
    wire::check_body(header, bytes_of(frames[1]));
    if (header.type == wire::Type::kError) {
      return core_.failed(number, id, wire::decode_error(bytes_of(frames[1])), now);
    }
    if (header.type != wire::Type::kAnswer || header.coverage != wire::Coverage::kComplete) {
      throw wire::WireError(wire::ErrorCode::kMalformed, "expected a complete answer");
    }
    if (header.generation != replica.place.generation) {
      throw wire::WireError(
          wire::ErrorCode::kWrongGeneration,
          "expected generation " + replica.place.generation + ", got " + header.generation);
    }
    wire::AnswerBody answer;
    const auto call = calls_.find(id.first);
    if (expectation == RoutingCore::Expectation::kOpen && call != calls_.end()) {
      answer = wire::decode_answer(bytes_of(frames[1]), call->second->batch, call->second->k,
                                   call->second->shape);
    }
    core_.answered(number, id, std::move(answer), now);
  } catch (const wire::WireError& error) {
    base::logger("retriever_pool")->warn("{}: {}", replica.node, error.what());
    core_.failed(number, id, {error.code(), 0, error.what()}, now);
  }
}

RoutingPort::Targeting ClientLoop::target(std::uint64_t serial) {
  const auto call = calls_.find(serial);
  if (call == calls_.end()) return {};
  const std::string& pinned = call->second->pinned;
  const std::lock_guard lock(view_mutex_);
  if (!view_) return {};
  const GenerationView* wanted =
      pinned.empty() ? view_->live(options_.index) : view_->find(options_.index, pinned);
  // One that is being prepared is waited for: another client saw the switch a moment earlier.
  if (wanted == nullptr || wanted->shards < 1 || wanted->role == GenerationRole::kPreparing) {
    return {};
  }
  return {PlanTarget{wanted->index_name, wanted->index.generation, wanted->shards}};
}

bool ClientLoop::send_query(const QueryMessage& message) {
  ReplicaLink* replica = replicas_.find(message.replica);
  const auto found = calls_.find(message.id.first);
  if (replica == nullptr || found == calls_.end()) return false;
  PoolCall& call = *found->second;
  wire::Header header;
  header.type = wire::Type::kQuery;
  header.priority = static_cast<std::uint8_t>(call.priority);
  header.request = {client_, message.id.first};
  header.attempt = message.id.second;
  header.remaining_us = static_cast<std::uint64_t>(message.remaining.count());
  header.trace = call.trace;
  header.index = message.target->index;
  header.generation = message.target->generation;
  return replica->link->send(wire::encode_header(header, bytes_of(call.body)), call.body);
}

void ClientLoop::send_cancel(Replica number, std::uint64_t call) {
  ReplicaLink* replica = replicas_.find(number);
  if (replica == nullptr) return;
  wire::Header header;
  header.type = wire::Type::kCancel;
  header.request = {client_, call};
  replica->link->send(wire::encode_header(header, {}), std::string());
}

bool ClientLoop::send_ping(Replica number, std::uint32_t ping) {
  ReplicaLink* replica = replicas_.find(number);
  if (replica == nullptr) return false;
  wire::Header header;
  header.type = wire::Type::kPing;
  header.request = {client_, kPingCall};
  header.attempt = ping;
  header.remaining_us = kPingUs;
  return replica->link->send(wire::encode_header(header, {}), std::string());
}

void ClientLoop::finished(std::uint64_t serial, CallResult result) {
  const auto found = calls_.find(serial);
  if (found == calls_.end()) return;
  PoolCall* const call = found->second;
  calls_.erase(found);
  const Time now = Clock::now();
  if (metrics_) metrics_->call(result.error, now - call->begin);
  if (options_.trace != nullptr) {
    options_.trace->span("client", "retrieve", call->begin, now, call->trace,
                         result.error ? std::string_view(result.error->what()) : "");
  }
  call->error = std::move(result.error);
  call->answers = std::move(result.answers);
  call->generation = std::move(result.generation);
  call->attempts = result.attempts;
  call->hedges = result.hedges;
  call->done = true;
  call->changed.notify_one();
}

void ClientLoop::attempt_over(const AttemptReport& report) {
  if (metrics_) metrics_->attempt(report);
  if (options_.trace == nullptr) return;
  const auto call = calls_.find(report.id.first);
  const ReplicaLink* replica = replicas_.find(report.replica);
  const std::string detail = "shard " + std::to_string(report.shard) + ", " +
                             (replica != nullptr ? replica->node : "a replica that left") + ", " +
                             to_string(report.kind) + ", " + to_string(report.end);
  options_.trace->span("client", "attempt", report.sent, Clock::now(),
                       call != calls_.end() ? call->second->trace : 0, detail);
}

void ClientLoop::noticed(Replica number, Event event) {
  if (metrics_) metrics_->noticed(event);
  const ReplicaLink* replica = replicas_.find(number);
  if (replica == nullptr) return;
  base::logger("retriever_pool")
      ->warn("{} {}: others are asked", replica->node,
             event == Event::kSuspect ? "is silent" : "fails or lags behind its peers");
}

}  // namespace rookery::retriever_pool::detail
