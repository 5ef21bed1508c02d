#include "retriever_pool/detail/client_loop.hpp"

#include <unistd.h>

#include <algorithm>
#include <random>
#include <set>

#include "base/log.hpp"

namespace rookery::retriever_pool::detail {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds kTick{100};  // pings and health are looked at so often
constexpr std::uint64_t kPingCall = 0;

std::uint64_t microseconds_left(Clock::time_point deadline, Clock::time_point now) {
  const auto left = std::chrono::duration_cast<std::chrono::microseconds>(deadline - now).count();
  return static_cast<std::uint64_t>(std::max<std::int64_t>(left, 0));
}

std::uint64_t random_client_id() {
  std::random_device device;
  return (std::uint64_t{device()} << 32) | device();
}

}  // namespace

ClientLoop::ClientLoop(const PoolClientOptions& options)
    : options_(options),
      client_(random_client_id()),
      head_(context_, options.head, options.keys),
      replicas_(options.keys),
      random_(options.seed) {
  thread_ = std::thread([this] { run(); });
}

ClientLoop::~ClientLoop() {
  closing_ = true;
  doorbell_.ring();
  thread_.join();
}

void ClientLoop::submit(std::shared_ptr<PoolCall> call) {
  {
    const std::lock_guard lock(mutex_);
    submitted_.push_back(std::move(call));
  }
  doorbell_.ring();
}

bool ClientLoop::wait_for_view(milliseconds timeout) {
  std::unique_lock lock(mutex_);
  return view_came_.wait_until(lock, Clock::now() + timeout, [this] { return view_.has_value(); });
}

std::string ClientLoop::head_trouble() const {
  const std::lock_guard lock(mutex_);
  return head_trouble_;
}

IndexDescription ClientLoop::index(const std::string& generation) const {
  const std::lock_guard lock(mutex_);
  if (!view_) return {};
  const GenerationView* found =
      generation.empty() ? view_->live(options_.index) : view_->find(options_.index, generation);
  return found != nullptr ? found->index : IndexDescription{};
}

LocalSource ClientLoop::local_source(const std::string& generation) const {
  static const std::string host = this_host();
  const std::lock_guard lock(mutex_);
  const GenerationView* found = view_ ? view_->find(options_.index, generation) : nullptr;
  if (found == nullptr) return {};
  const auto& members = view_->members;
  const bool here = std::any_of(members.begin(), members.end(), [&](const ReplicaView& member) {
    return member.host == host && member.generation == generation &&
           member.index == found->index_name;
  });
  return {here ? found->snapshot : "", generation, found->index.files_digest};
}

void ClientLoop::run() {
  while (!closing_) {
    poll_sockets();
    doorbell_.clear();
    const Time now = Clock::now();
    for (ReplicaEntry& replica : replicas_.all()) read_replica(replica, now);
    if (auto view = head_.step(now)) apply_view(*view);
    note_head_trouble();
    take_new_calls();
    for (ReplicaEntry& replica : replicas_.all()) check_health(replica, now);
    advance(Clock::now());
  }
  take_new_calls();
  for (auto& [serial, active] : calls_) {
    finish(active, RetrievalError(RetrievalFault::kUnavailable, "the client is closing"));
  }
}

void ClientLoop::note_head_trouble() {
  const std::lock_guard lock(mutex_);
  if (head_trouble_ != head_.trouble()) head_trouble_ = head_.trouble();
}

void ClientLoop::poll_sockets() {
  std::vector<zmq::pollitem_t> items = {{nullptr, doorbell_.descriptor(), ZMQ_POLLIN, 0}};
  const auto add = [&](Link& link) {
    items.push_back({link.socket().handle(), 0, ZMQ_POLLIN, 0});
    items.push_back({link.monitor().handle(), 0, ZMQ_POLLIN, 0});
  };
  add(head_.link());
  for (ReplicaEntry& replica : replicas_.all()) add(*replica.link);
  zmq::poll(items, next_wait());
}

milliseconds ClientLoop::next_wait() const {
  const Time now = Clock::now();
  Time until = std::min(now + kTick, std::max(head_.next_step(), now));
  for (const auto& [serial, active] : calls_) {
    until = std::min(until, active.call->deadline);
    if (active.plan) until = std::min(until, active.plan->next_event(now).value_or(until));
  }
  return std::max(std::chrono::ceil<milliseconds>(until - now), milliseconds{0});
}

void ClientLoop::take_new_calls() {
  std::vector<std::shared_ptr<PoolCall>> fresh;
  {
    const std::lock_guard lock(mutex_);
    fresh.swap(submitted_);
  }
  for (auto& call : fresh) {
    const std::uint64_t serial = call->serial;
    calls_.emplace(serial, ActiveCall{std::move(call), 0, std::nullopt});
  }
}

void ClientLoop::apply_view(const RoutingView& view) {
  {
    const std::lock_guard lock(mutex_);
    // A head that has just started does not know all nodes yet: while the old view still serves,
    // go on with it until they have registered again.
    if (view_ && view.term != view_->term && view_->serves_all_shards() &&
        !view.serves_all_shards()) {
      return;
    }
    view_ = view;
  }
  view_came_.notify_all();
  for (ReplicaEntry& left : replicas_.apply(context_, view)) {
    release_in_flight(left, left.node + " left the routing view");
  }
}

void ClientLoop::release_in_flight(ReplicaEntry& replica, const std::string& why) {
  for (const auto& [key, sent] : replica.in_flight) {
    replica.health.lost();
    const auto found = calls_.find(sent.call);
    if (found != calls_.end() && found->second.plan && found->second.plan_serial == sent.plan) {
      found->second.plan->lost(sent.shard, replica.number, why);
    }
  }
  replica.in_flight.clear();
}

void ClientLoop::read_replica(ReplicaEntry& replica, Time now) {
  while (true) {
    const auto frames = replica.link->receive();
    if (frames.empty()) break;
    read_message(replica, frames, now);
  }
  while (const auto change = replica.link->next_change()) {
    if (*change == Link::Change::kConnected) {
      replica.health.connected(now);
    } else {
      replica.health.disconnected();
      release_in_flight(replica, "the connection to " + replica.node + " broke");
    }
  }
}

void ClientLoop::read_message(ReplicaEntry& replica, const std::vector<zmq::message_t>& frames,
                              Time now) {
  try {
    if (frames.size() != 2) {
      throw wire::WireError(wire::ErrorCode::kMalformed, "expected two frames");
    }
    const wire::Header header = wire::decode_header(bytes_of(frames[0]));
    if (header.request.high != client_) return;
    if (header.type == wire::Type::kPong) return replica.health.ponged(now);
    replica.health.seen();
    const auto found = replica.in_flight.find({header.request.low, header.attempt});
    // An answer that came late or twice: whoever asked has what they wanted.
    if (found == replica.in_flight.end()) return;
    const InFlight sent = found->second;
    replica.in_flight.erase(found);
    take_reply(replica, header, frames, sent, now);
  } catch (const wire::WireError& error) {
    base::logger("retriever_pool")->warn("{}: {}", replica.node, error.what());
  }
}

void ClientLoop::take_reply(ReplicaEntry& replica, const wire::Header& header,
                            const std::vector<zmq::message_t>& frames, const InFlight& sent,
                            Time now) {
  const auto found = calls_.find(sent.call);
  const bool current = found != calls_.end() && found->second.plan_serial == sent.plan;
  ActiveCall* active = current ? &found->second : nullptr;
  try {
    wire::check_body(header, bytes_of(frames[1]));
    if (header.type == wire::Type::kError) {
      replica.health.refused();
      const wire::ErrorBody error = wire::decode_error(bytes_of(frames[1]));
      if (active) active->plan->failed(sent.shard, replica.number, error, now);
      return;
    }
    replica.health.answered(std::chrono::duration_cast<std::chrono::microseconds>(now - sent.sent));
    if (!active) return;
    if (header.type != wire::Type::kAnswer || header.coverage != wire::Coverage::kComplete) {
      throw wire::WireError(wire::ErrorCode::kMalformed, "expected a complete answer");
    }
    if (header.generation != active->plan->generation()) {
      throw wire::WireError(
          wire::ErrorCode::kWrongGeneration,
          "expected generation " + active->plan->generation() + ", got " + header.generation);
    }
    const PoolCall& call = *active->call;
    active->plan->answered(
        sent.shard, wire::decode_answer(bytes_of(frames[1]), call.batch, call.k, call.shape));
  } catch (const wire::WireError& error) {
    base::logger("retriever_pool")->warn("{}: {}", replica.node, error.what());
    if (active)
      active->plan->failed(sent.shard, replica.number, {error.code(), 0, error.what()}, now);
  }
}

void ClientLoop::check_health(ReplicaEntry& replica, Time now) {
  if (replica.health.check(now)) {
    base::logger("retriever_pool")->warn("{} is silent: others are asked first", replica.node);
  }
  if (!replica.health.ping_due(now)) return;
  wire::Header header;
  header.type = wire::Type::kPing;
  header.request = {client_, kPingCall};
  header.attempt = static_cast<std::uint32_t>(next_ping_++);
  header.remaining_us = 10'000'000;
  if (replica.link->send(wire::encode_header(header, {}), std::string())) {
    replica.health.ping_sent(now);
  }
}

void ClientLoop::advance(Time now) {
  for (auto item = calls_.begin(); item != calls_.end();) {
    ActiveCall& active = item->second;
    if (!active.plan) start_plan(active);
    std::optional<RetrievalError> error;
    bool over = false;
    if (active.plan) {
      for (const auto& timeout : active.plan->expire(now)) {
        if (ReplicaEntry* replica = replicas_.find(timeout.replica)) replica->health.timed_out();
      }
      ask_due_shards(active, now);
      over = active.plan->complete();
      if (!over) error = active.plan->fatal();
    }
    if (!over && !error && now >= active.call->deadline) {
      error = active.plan ? active.plan->deadline_error()
                          : RetrievalError(RetrievalFault::kUnavailable,
                                           "the head gave no routing view with shards");
    }
    if (over || error) {
      finish(active, error);
      item = calls_.erase(item);
    } else {
      ++item;
    }
  }
}

void ClientLoop::start_plan(ActiveCall& active) {
  const std::lock_guard lock(mutex_);
  const std::string& pinned = active.call->pinned;
  const GenerationView* wanted = nullptr;
  if (view_) {
    wanted = pinned.empty() ? view_->live(options_.index) : view_->find(options_.index, pinned);
  }
  // One that is being prepared is waited for: another client saw the switch a moment earlier.
  if (wanted == nullptr || wanted->shards < 1 || wanted->role == GenerationRole::kPreparing) return;
  active.plan_serial = next_plan_++;
  active.plan.emplace(wanted->shards, wanted->index.generation,
                      RetryPolicy{options_.attempt_timeout, options_.attempts_max, 64});
}

void ClientLoop::ask_due_shards(ActiveCall& active, Time now) {
  for (const std::int32_t shard : active.plan->due(now)) {
    bool any_of_generation = false, any_excluded = false, busy = false;
    std::vector<Candidate> candidates;
    for (std::size_t i = 0; i < replicas_.all().size(); ++i) {
      const ReplicaEntry& replica = replicas_.all()[i];
      if (replica.shard != shard || replica.generation != active.plan->generation()) continue;
      any_of_generation = true;
      if (!replica.ready || !replica.health.is_connected()) continue;
      if (active.plan->excluded(shard).contains(replica.number)) {
        any_excluded = true;
        continue;
      }
      candidates.push_back({i, replica.health.cost(), replica.health.suspect()});
    }
    while (const auto chosen = choose_replica(candidates, random_)) {
      if (ask(active, shard, replicas_.all()[*chosen], now)) break;
      busy = true;  // its queue to the network is full: try the others
      std::erase_if(candidates, [&](const Candidate& c) { return c.replica == *chosen; });
    }
    if (!candidates.empty()) continue;
    if (any_excluded || busy) {
      active.plan->new_round(shard, now);
    } else if (!any_of_generation) {
      // The colony has moved on to another generation: begin anew, so that shards never mix.
      const std::string current = index().generation;
      if (active.call->pinned.empty() && current != active.plan->generation()) {
        cancel(active.call->serial);
        start_plan(active);
        return ask_due_shards(active, now);
      }
    }
  }
}

bool ClientLoop::ask(ActiveCall& active, std::int32_t shard, ReplicaEntry& replica, Time now) {
  wire::Header header;
  header.type = wire::Type::kQuery;
  header.priority = static_cast<std::uint8_t>(active.call->priority);
  header.trace = active.call->trace;
  header.request = {client_, active.call->serial};
  header.attempt = static_cast<std::uint32_t>(active.plan->attempts() + 1);
  header.remaining_us = microseconds_left(active.call->deadline, now);
  header.generation = active.plan->generation();
  // Attempts of an earlier plan had the same numbers: their answers must not be taken for ours.
  header.attempt |= static_cast<std::uint32_t>(active.plan_serial & 0xFFFFU) << 16;
  if (!replica.link->send(wire::encode_header(header, bytes_of(active.call->body)),
                          active.call->body)) {
    return false;
  }
  active.plan->sent(shard, replica.number, now);
  replica.health.sent();
  replica.in_flight[{active.call->serial, header.attempt}] = {active.call->serial,
                                                              active.plan_serial, shard, now};
  return true;
}

void ClientLoop::finish(ActiveCall& active, std::optional<RetrievalError> error) {
  cancel(active.call->serial);
  PoolCall& call = *active.call;
  {
    const std::lock_guard lock(call.mutex);
    call.error = std::move(error);
    if (active.plan) {
      call.attempts = active.plan->attempts();
      call.generation = active.plan->generation();
      if (!call.error) call.answers = active.plan->take_answers();
    }
    call.done = true;
  }
  call.finished.notify_all();
}

void ClientLoop::cancel(std::uint64_t call) {
  for (ReplicaEntry& replica : replicas_.all()) {
    bool open = false;
    std::erase_if(replica.in_flight, [&](const auto& item) {
      if (item.second.call != call) return false;
      replica.health.lost();
      open = true;
      return true;
    });
    if (!open) continue;
    wire::Header header;
    header.type = wire::Type::kCancel;
    header.request = {client_, call};
    replica.link->send(wire::encode_header(header, {}), std::string());
  }
}

}  // namespace rookery::retriever_pool::detail
