#include "retriever_pool/detail/lease_keeper.hpp"

#include <algorithm>
#include <vector>

#include "base/log.hpp"
#include "retriever_pool/detail/random_id.hpp"
#include "retriever_pool/wire_bodies.hpp"
#include "retriever_pool/wire_lease.hpp"

namespace rookery::retriever_pool::detail {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds kTtl{10'000};
constexpr milliseconds kRenew = kTtl / 3;
constexpr milliseconds kAskAgain{500};   // after no word at all
constexpr milliseconds kWaitMax{1'000};  // the thread looks around at least so often

RetrievalFault fault_of(wire::ErrorCode code) {
  switch (code) {
    case wire::ErrorCode::kOverloaded:
      return RetrievalFault::kOverloaded;
    case wire::ErrorCode::kWrongGeneration:
    case wire::ErrorCode::kUnavailable:
    case wire::ErrorCode::kMalformed:  // a head that knows no leases
      return RetrievalFault::kUnavailable;
    default:
      return RetrievalFault::kInternal;
  }
}

}  // namespace

class LeaseKeeper::Lease final : public GenerationLease {
 public:
  Lease(std::string generation, std::weak_ptr<LeaseKeeper> keeper, std::uint64_t id)
      : GenerationLease(std::move(generation)), keeper_(std::move(keeper)), id_(id) {}
  ~Lease() override {
    if (const auto keeper = keeper_.lock()) keeper->end(id_);
  }
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;

 private:
  std::weak_ptr<LeaseKeeper> keeper_;  // weak: a lease may outlive its client
  std::uint64_t id_;
};

LeaseKeeper::LeaseKeeper(PoolClientOptions options)
    : options_(std::move(options)), client_(random_id()), next_id_(random_id()) {}

LeaseKeeper::~LeaseKeeper() { close(); }

void LeaseKeeper::close() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
  }
  doorbell_.ring();
  if (thread_.joinable()) thread_.join();
}

std::unique_ptr<GenerationLease> LeaseKeeper::take(const std::string& generation,
                                                   milliseconds timeout) {
  std::unique_lock lock(mutex_);
  if (closing_) throw RetrievalError(RetrievalFault::kUnavailable, "the client is closing");
  if (!thread_.joinable()) thread_ = std::thread([this] { run(); });
  const std::uint64_t id = next_id_++;
  held_[id].generation = generation;
  doorbell_.ring();
  answered_.wait_until(lock, Clock::now() + timeout, [&] {
    const auto found = held_.find(id);
    return closing_ || found == held_.end() || found->second.granted || found->second.refusal;
  });
  const auto found = held_.find(id);
  if (closing_ || found == held_.end()) {
    throw RetrievalError(RetrievalFault::kUnavailable, "the client is closing");
  }
  const Held held = found->second;
  if (held.granted) return std::make_unique<Lease>(generation, weak_from_this(), id);
  if (held.refusal) {
    held_.erase(id);
    throw RetrievalError(*held.refusal);
  }
  found->second.ended = true;  // a head that has it after all hears that it is over
  throw RetrievalError(RetrievalFault::kUnavailable,
                       options_.head + " gave no lease on generation " + generation + " within " +
                           std::to_string(timeout.count()) + " ms");
}

void LeaseKeeper::end(std::uint64_t id) {
  {
    const std::lock_guard lock(mutex_);
    const auto found = held_.find(id);
    if (found == held_.end()) return;
    found->second.ended = true;
    found->second.next = {};
  }
  doorbell_.ring();
}

void LeaseKeeper::run() {
  zmq::context_t context;
  Link link(context, options_.head, options_.keys);
  link.socket().set(zmq::sockopt::linger, 200);  // the last words say that leases are over
  bool connected = false;
  while (true) {
    Time now = Clock::now();
    milliseconds wait{0};
    {
      const std::lock_guard lock(mutex_);
      if (closing_) break;
      wait = next_wait(now);
    }
    std::vector<zmq::pollitem_t> items = {{nullptr, doorbell_.descriptor(), ZMQ_POLLIN, 0},
                                          {link.socket().handle(), 0, ZMQ_POLLIN, 0},
                                          {link.monitor().handle(), 0, ZMQ_POLLIN, 0}};
    zmq::poll(items, wait);
    doorbell_.clear();
    now = Clock::now();
    while (const auto change = link.next_change()) {
      connected = *change == Link::Change::kConnected;
      const std::lock_guard lock(mutex_);
      // It may be another head: all are told anew.
      if (connected) {
        for (auto& [id, held] : held_) held.next = {};
      }
    }
    read(link, now);
    const std::lock_guard lock(mutex_);
    send_due(link, now, connected);
  }
  const std::lock_guard lock(mutex_);
  for (auto& [id, held] : held_) {
    held.ended = true;
    send(link, id, held);
  }
  held_.clear();
  answered_.notify_all();
}

milliseconds LeaseKeeper::next_wait(Time now) const {
  Time until = now + kWaitMax;
  for (const auto& [id, held] : held_) until = std::min(until, std::max(held.next, now));
  return std::chrono::ceil<milliseconds>(until - now);
}

void LeaseKeeper::send_due(Link& link, Time now, bool connected) {
  for (auto item = held_.begin(); item != held_.end();) {
    auto& [id, held] = *item;
    if (held.next > now || held.refusal) {
      ++item;
      continue;
    }
    const bool sent = connected && send(link, id, held);
    held.next = now + kAskAgain;  // the answer puts it off further
    // Nobody waits for the end of a lease: what does not reach the head runs out there.
    item = held.ended && (sent || !connected) ? held_.erase(item) : std::next(item);
  }
}

bool LeaseKeeper::send(Link& link, std::uint64_t id, const Held& held) {
  const std::string body = wire::encode_lease({id, kTtl, held.ended});
  wire::Header header;
  header.type = wire::Type::kLease;
  header.request = {client_, id};
  header.remaining_us = 10'000'000;
  header.index = options_.index;
  header.generation = held.generation;
  return link.send(wire::encode_header(header, bytes_of(body)), body);
}

void LeaseKeeper::read(Link& link, Time now) {
  while (true) {
    const auto frames = link.receive();
    if (frames.empty()) return;
    try {
      if (frames.size() != 2) {
        throw wire::WireError(wire::ErrorCode::kMalformed, "expected two frames");
      }
      const wire::Header header = wire::decode_header(bytes_of(frames[0]));
      wire::check_body(header, bytes_of(frames[1]));
      take_answer(header, frames[1], now);
    } catch (const wire::WireError& error) {
      base::logger("retriever_pool")->warn("{}: no lease: {}", link.endpoint(), error.what());
    }
  }
}

void LeaseKeeper::take_answer(const wire::Header& header, const zmq::message_t& body, Time now) {
  const std::lock_guard lock(mutex_);
  const auto found = held_.find(header.request.low);
  if (header.request.high != client_ || found == held_.end()) return;
  Held& held = found->second;
  if (header.type == wire::Type::kLeaseAnswer) {
    const auto granted = wire::decode_lease(bytes_of(body));
    held.granted = true;
    held.next = now + std::clamp(granted.ttl / 3, milliseconds{20}, kRenew);
  } else if (header.type == wire::Type::kError) {
    const auto error = wire::decode_error(bytes_of(body));
    if (held.granted) {
      // Queries that are pinned to it will say so; a head that is only overloaded may relent.
      base::logger("retriever_pool")
          ->warn("the lease on generation {} was not renewed: {}", held.generation, error.text);
      return;
    }
    held.next = Time::max();
    held.refusal = RetrievalError(fault_of(error.code), error.text);
  }
  answered_.notify_all();
}

}  // namespace rookery::retriever_pool::detail
