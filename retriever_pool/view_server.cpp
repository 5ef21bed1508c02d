#include "retriever_pool/view_server.hpp"

#include <algorithm>
#include <atomic>
#include <list>
#include <mutex>
#include <optional>
#include <thread>
#include <zmq.hpp>

#include "base/error.hpp"
#include "base/log.hpp"
#include "retriever_pool/detail/head_link.hpp"
#include "retriever_pool/detail/peer_gate.hpp"
#include "retriever_pool/detail/sockets.hpp"
#include "retriever_pool/wire_bodies.hpp"

namespace rookery::retriever_pool {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr std::size_t kWaitersMax = 4096;
constexpr std::chrono::microseconds kWaitMax = std::chrono::seconds(60);
constexpr milliseconds kRetryAfter{500};
constexpr std::int64_t kRequestBytesMax = 8192;

}  // namespace

struct ViewServer::Impl {
  struct Waiter {
    std::string client;
    wire::RequestId request;
    wire::ViewRequestBody known;
    Clock::time_point until;
  };

  Impl(const std::string& bind, const CurveServerKeys& keys, const LeaseLimits& limits,
       base::Metrics* metrics)
      : leases(limits),
        gate(context, keys, metrics, "head"),
        router(context, zmq::socket_type::router) {
    detail::configure(router, {100, 64, kRequestBytesMax});
    router.set(zmq::sockopt::router_mandatory, true);
    gate.guard(router);
    bound = detail::bind_or_explain(router, bind);
    thread = std::thread([this] { loop(); });
  }

  ~Impl() {
    closing = true;
    doorbell.ring();
    thread.join();
  }

  void publish(const RoutingView& next) {
    leases.serve(next);
    {
      const std::lock_guard lock(mutex);
      view = {{next.term, next.epoch}, next.to_json()};
    }
    doorbell.ring();
  }

  void loop() {
    std::vector<zmq::pollitem_t> items = {{router.handle(), 0, ZMQ_POLLIN, 0},
                                          {nullptr, doorbell.descriptor(), ZMQ_POLLIN, 0}};
    while (!closing) {
      zmq::poll(items, next_wait());
      doorbell.clear();
      while (receive_one()) {
      }
      answer_waiters();
    }
    router.close();
  }

  [[nodiscard]] milliseconds next_wait() const {
    if (waiters.empty()) return milliseconds(-1);
    auto until = Clock::time_point::max();
    for (const Waiter& waiter : waiters) until = std::min(until, waiter.until);
    return std::max(std::chrono::ceil<milliseconds>(until - Clock::now()), milliseconds(0));
  }

  bool receive_one() {
    const auto frames = detail::receive_waiting(router, 3);
    if (frames.empty()) return false;
    if (!gate.admits(frames)) return true;
    const std::string client = frames[0].to_string();
    wire::RequestId request;
    try {
      if (frames.size() != 3) {
        throw wire::WireError(wire::ErrorCode::kMalformed, "expected two frames, header and body");
      }
      const wire::Header header = wire::decode_header(detail::bytes_of(frames[1]));
      request = header.request;
      wire::check_body(header, detail::bytes_of(frames[2]));
      if (header.type == wire::Type::kPing) {
        send(client, request, wire::Type::kPong, wire::encode_pong({waiters.size(), 0, 0}));
      } else if (header.type == wire::Type::kViewRequest) {
        wait_for_news({client, request, wire::decode_view_request(detail::bytes_of(frames[2])),
                       Clock::now() + std::chrono::microseconds(std::min<std::uint64_t>(
                                          header.remaining_us,
                                          static_cast<std::uint64_t>(kWaitMax.count())))});
      } else if (header.type == wire::Type::kLease) {
        const auto granted = leases.answer(header.index, header.generation,
                                           wire::decode_lease(detail::bytes_of(frames[2])));
        send(client, request, wire::Type::kLeaseAnswer, wire::encode_lease(granted));
      } else {
        throw wire::WireError(wire::ErrorCode::kMalformed,
                              "expected a view request, a lease or a ping");
      }
    } catch (const wire::WireError& error) {
      if (error.code() == wire::ErrorCode::kMalformed) gate.offence(frames);
      send(client, request, wire::Type::kError,
           wire::encode_error({error.code(), 0, error.what()}));
    }
    return true;
  }

  void wait_for_news(Waiter waiter) {
    // A client has one question open at a time: a new one replaces what it asked before.
    std::erase_if(waiters, [&](const Waiter& w) { return w.client == waiter.client; });
    if (waiters.size() >= kWaitersMax) {
      send(waiter.client, waiter.request, wire::Type::kError,
           wire::encode_error({wire::ErrorCode::kOverloaded,
                               static_cast<std::uint32_t>(kRetryAfter.count()),
                               "too many clients wait for a view"}));
      return;
    }
    waiters.push_back(std::move(waiter));
  }

  void answer_waiters() {
    std::optional<View> now;
    {
      const std::lock_guard lock(mutex);
      now = view;
    }
    std::erase_if(waiters, [&](const Waiter& waiter) {
      const bool news = now && now->stamp > std::pair{waiter.known.term, waiter.known.epoch};
      if (!news && waiter.until > Clock::now()) return false;
      send(waiter.client, waiter.request, wire::Type::kViewAnswer, news ? now->json : "");
      return true;
    });
  }

  void send(const std::string& client, wire::RequestId request, wire::Type type,
            const std::string& body) {
    wire::Header header;
    header.type = type;
    header.request = request;
    try {
      if (!router.send(zmq::buffer(client), zmq::send_flags::sndmore | zmq::send_flags::dontwait)) {
        return;  // the client does not read: it will ask again
      }
      router.send(zmq::buffer(wire::encode_header(header, detail::bytes_of(body))),
                  zmq::send_flags::sndmore);
      router.send(zmq::buffer(body), zmq::send_flags::none);
    } catch (const zmq::error_t& error) {
      if (error.num() != EHOSTUNREACH) {
        base::logger("retriever_pool")->warn("routing view not sent: {}", error.what());
      }
    }
  }

  struct View {
    std::pair<std::uint64_t, std::uint64_t> stamp;  // term, epoch
    std::string json;
  };

  LeaseDesk leases;
  std::mutex mutex;  // guards view
  std::optional<View> view;
  std::atomic<bool> closing = false;
  detail::Doorbell doorbell;
  std::list<Waiter> waiters;  // of the thread
  zmq::context_t context;
  detail::PeerGate gate;
  zmq::socket_t router;
  std::string bound;
  std::thread thread;
};

ViewServer::ViewServer(const std::string& bind, const CurveServerKeys& keys,
                       const LeaseLimits& leases, base::Metrics* metrics)
    : impl_(std::make_unique<Impl>(bind, keys, leases, metrics)) {}
ViewServer::~ViewServer() = default;
std::string ViewServer::endpoint() const { return impl_->bound; }
void ViewServer::publish(const RoutingView& view) { impl_->publish(view); }
const LeaseDesk& ViewServer::leases() const { return impl_->leases; }

RoutingView fetch_view(const std::string& head, milliseconds timeout, const CurveClientKeys& keys) {
  zmq::context_t context;
  std::optional<detail::HeadLink> link;
  try {
    link.emplace(context, head, keys);
  } catch (const zmq::error_t& error) {
    throw base::UserError(
        head + ": expected a head's endpoint such as tcp://127.0.0.1:7071, got: " + error.what());
  }
  const auto until = Clock::now() + timeout;
  std::vector<zmq::pollitem_t> items = {{link->link().socket().handle(), 0, ZMQ_POLLIN, 0},
                                        {link->link().monitor().handle(), 0, ZMQ_POLLIN, 0}};
  while (true) {
    if (auto view = link->step(Clock::now())) return *std::move(view);
    const auto left = std::chrono::ceil<milliseconds>(until - Clock::now());
    if (left.count() <= 0) {
      throw base::UserError(detail::no_view_text(head, timeout, link->trouble()));
    }
    zmq::poll(items, std::min(left, milliseconds(100)));
  }
}

}  // namespace rookery::retriever_pool
