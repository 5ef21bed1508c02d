#include "retriever_pool/query_server.hpp"

#include <pthread.h>
#include <time.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>
#include <zmq.hpp>

#include "base/error.hpp"
#include "base/log.hpp"
#include "retriever_pool/admission_queue.hpp"
#include "retriever_pool/detail/peer_gate.hpp"
#include "retriever_pool/detail/sockets.hpp"
#include "retriever_pool/server_metrics.hpp"
#include "retriever_pool/shard_indexes.hpp"
#include "retriever_pool/shard_service.hpp"
#include "retriever_pool/wire_bodies.hpp"

namespace rookery::retriever_pool {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::microseconds kRemainingMax = std::chrono::hours(1);
constexpr int kReceiveBurst = 64;  // messages between two looks at the outbox
constexpr int kLingerMs = 250;     // for answers that are on their way when the server stops

AdmissionLimits limits_of(const QueryServerOptions& options) {
  return {options.queue_requests_max, options.queue_bytes_max, options.batch_queries_max};
}

ServiceIdentity identity_of(const QueryServerOptions& options, std::string generation) {
  return {options.index_name, std::move(generation)};
}

std::shared_ptr<const ShardIndexes> open_indexes(
    const QueryServerOptions& options, std::shared_ptr<const index_tools::SnapshotShard> shard) {
  if (options.threads < 1 || options.threads > 256) {
    throw base::UserError("threads: expected an integer in [1, 256], got " +
                          std::to_string(options.threads));
  }
  return std::make_shared<const ShardIndexes>(
      std::move(shard), std::make_shared<SearchTeam>(options.threads),
      ShardIndexesOptions{options.metric, options.kind, options.tuning, options.filter});
}

}  // namespace

struct QueryServer::Impl {
  Impl(const QueryServerOptions& options,
       const std::shared_ptr<const index_tools::SnapshotShard>& shard, std::string generation,
       base::Metrics& registry)
      : name("shard " + std::to_string(shard->shard())),
        metrics(registry, shard->shard()),
        service(open_indexes(options, shard), options.metric,
                identity_of(options, std::move(generation))),
        queue(limits_of(options)),
        gate(context, options.keys, &registry, "shard " + std::to_string(shard->shard())),
        router(context, zmq::socket_type::router) {
    detail::configure(router, {kLingerMs, 256, wire::kQueryBytesMax + 4096});
    router.set(zmq::sockopt::router_mandatory, true);
    gate.guard(router);
    bound = detail::bind_or_explain(router, options.bind);
    search_thread = std::thread([this] { search_loop(); });
    try {
      socket_thread = std::thread([this] { socket_loop(); });
    } catch (...) {
      stop_search();
      throw;
    }
  }

  ~Impl() {
    stop_search();  // answers what is queued; the socket's thread refuses what comes meanwhile
    closing = true;
    doorbell.ring();
    socket_thread.join();
  }

  void stop_search() {
    {
      const std::lock_guard lock(mutex);
      stopping = true;
    }
    work.notify_all();
    search_thread.join();
  }

  // --- the socket's thread ---

  void socket_loop() {
    ::pthread_setname_np(::pthread_self(), "socket");
    std::vector<zmq::pollitem_t> items = {{router.handle(), 0, ZMQ_POLLIN, 0},
                                          {nullptr, doorbell.descriptor(), ZMQ_POLLIN, 0}};
    while (true) {
      zmq::poll(items, std::chrono::milliseconds(-1));
      doorbell.clear();
      const bool last = closing;
      for (int i = 0; i < kReceiveBurst && receive_one(); ++i) {
      }
      send_outbox();
      if (last) break;
    }
    router.close();
  }

  bool receive_one() {
    auto frames = detail::receive_waiting(router, 3);
    if (frames.empty()) return false;
    if (!gate.admits(frames)) return true;
    PendingRequest request;
    request.client = frames[0].to_string();
    request.arrived = Clock::now();
    try {
      if (frames.size() < 2) {
        throw wire::WireError(wire::ErrorCode::kMalformed, "expected two frames, header and body");
      }
      request.header = wire::decode_header(detail::bytes_of(frames[1]));
      if (frames.size() != 3) {
        throw wire::WireError(wire::ErrorCode::kMalformed, "expected two frames, header and body");
      }
      wire::check_body(request.header, detail::bytes_of(frames[2]));
      accept(request, detail::bytes_of(frames[2]));
    } catch (const wire::WireError& error) {
      if (error.code() == wire::ErrorCode::kMalformed) gate.offence(frames);
      refuse(request, {error.code(), error.what(), std::chrono::milliseconds{0}});
    }
    return true;
  }

  // Leaves the request whole when it throws: the refusal is sent to its client.
  void accept(PendingRequest& request, std::span<const std::byte> body) {
    const auto remaining = std::min<std::uint64_t>(
        request.header.remaining_us, static_cast<std::uint64_t>(kRemainingMax.count()));
    request.deadline = request.arrived + std::chrono::microseconds(remaining);
    switch (request.header.type) {
      case wire::Type::kQuery:
        if (draining) {
          return refuse(request, {wire::ErrorCode::kDraining, "this replica is going away",
                                  std::chrono::milliseconds{0}});
        }
        service.check_target(request.header);
        request.body = wire::decode_query(body);
        service.check_query(request.body);
        return admit(request);
      case wire::Type::kPing:
        return admit(request);
      case wire::Type::kCancel: {
        const std::lock_guard lock(mutex);
        if (queue.cancel(request.client, request.header.request)) metrics.set_queue(queue.size());
        return;
      }
      default:
        throw wire::WireError(wire::ErrorCode::kMalformed,
                              "expected a query, a ping or a cancel, got another type");
    }
  }

  void admit(const PendingRequest& request) {
    std::optional<Refusal> refusal;
    {
      const std::lock_guard lock(mutex);
      if (stopping) {
        refusal = stopped();
      } else {
        refusal = queue.admit(request, request.arrived);
        metrics.set_queue(queue.size());
      }
    }
    if (refusal) return refuse(request, *refusal);
    work.notify_one();
  }

  void send_outbox() {
    std::vector<ServiceReply> replies;
    {
      const std::lock_guard lock(outbox_mutex);
      replies.swap(outbox);
    }
    for (ServiceReply& reply : replies) send(reply);
  }

  void send(const ServiceReply& reply) {
    try {
      // The queue of frames is all or nothing: once the first was taken, the others are too.
      if (!router.send(zmq::buffer(reply.client),
                       zmq::send_flags::sndmore | zmq::send_flags::dontwait)) {
        metrics.undelivered();
        return;
      }
      router.send(zmq::buffer(reply.header), zmq::send_flags::sndmore);
      router.send(zmq::buffer(reply.body), zmq::send_flags::none);
    } catch (const zmq::error_t& error) {
      metrics.undelivered();  // the client is gone: it asks another replica
      if (error.num() != EHOSTUNREACH) logger->warn("{}: answer not sent: {}", name, error.what());
    }
  }

  static Refusal stopped() {
    return {wire::ErrorCode::kUnavailable, "this replica is stopping",
            std::chrono::milliseconds{0}};
  }

  // From any thread.
  void refuse(const PendingRequest& request, const Refusal& refusal) {
    refused.fetch_add(1);
    metrics.refused(refusal.code);
    reply(service.error_reply(request, refusal));
  }

  void reply(ServiceReply reply) {
    {
      const std::lock_guard lock(outbox_mutex);
      outbox.push_back(std::move(reply));
    }
    doorbell.ring();
  }

  // --- the search thread ---

  void search_loop() {
    ::pthread_setname_np(::pthread_self(), "search");
    while (true) {
      AdmissionQueue::Batch batch;
      {
        std::unique_lock lock(mutex);
        work.wait(lock, [this] { return stopping || !queue.empty(); });
        batch = queue.take_batch(Clock::now());
        searching = true;
        metrics.set_queue(queue.size());
        if (stopping) {
          lock.unlock();
          for (const auto* requests : {&batch.requests, &batch.expired}) {
            for (const PendingRequest& request : *requests) refuse(request, stopped());
          }
          if (batch.requests.empty()) return;
          continue;
        }
      }
      serve(batch);
      batches.fetch_add(1);
      searching = false;
    }
  }

  void serve(const AdmissionQueue::Batch& batch) {
    for (const PendingRequest& request : batch.expired) {
      refuse(request, {wire::ErrorCode::kDeadline, "the deadline passed in the queue",
                       std::chrono::milliseconds{0}});
    }
    if (batch.requests.empty()) return;
    const auto begin = Clock::now();
    for (const PendingRequest& request : batch.requests) {
      metrics.queue_wait(begin - request.arrived);
    }
    ServiceResult result = service.serve(batch.requests, load());
    const auto took = Clock::now() - begin;
    if (!result.scans.empty()) {
      for (const ServiceScan& scan : result.scans) metrics.scan(scan);
      const std::lock_guard lock(mutex);
      queue.record(std::chrono::duration_cast<std::chrono::microseconds>(took));
    }
    for (ServiceReply& r : result.replies) {
      if (r.error) {
        refused.fetch_add(1);
        metrics.refused(*r.error);
      } else if (r.query) {
        served.fetch_add(1);
        metrics.served();
      }
      reply(std::move(r));
    }
  }

  [[nodiscard]] QueryServerLoad load() const {
    const std::lock_guard lock(mutex);
    return {queue.size(), served.load(), refused.load()};
  }

  // Also when the search thread hangs, wherever that is: a mutex that cannot be had is work.
  [[nodiscard]] SearchPulse pulse() {
    SearchPulse now;
    now.batches = batches.load();
    {
      const std::unique_lock lock(mutex, std::try_to_lock);
      now.busy = searching || !lock.owns_lock() || !queue.empty();
    }
    clockid_t clock{};
    timespec used{};
    if (::pthread_getcpuclockid(search_thread.native_handle(), &clock) == 0 &&
        ::clock_gettime(clock, &used) == 0) {
      now.cpu = std::chrono::seconds(used.tv_sec) + std::chrono::nanoseconds(used.tv_nsec);
    }
    return now;
  }

  std::string name;
  ServerMetrics metrics;
  ShardService service;
  std::shared_ptr<spdlog::logger> logger = base::logger("retriever_pool");

  mutable std::mutex mutex;  // guards queue and stopping
  std::condition_variable work;
  AdmissionQueue queue;
  bool stopping = false;

  std::mutex outbox_mutex;
  std::vector<ServiceReply> outbox;
  detail::Doorbell doorbell;
  std::atomic<bool> draining = false, closing = false;
  std::atomic<std::int64_t> served = 0, refused = 0;
  std::atomic<bool> searching = false;
  std::atomic<std::int64_t> batches = 0;

  zmq::context_t context;
  detail::PeerGate gate;
  zmq::socket_t router;  // of the socket's thread once it runs
  std::string bound;
  std::thread search_thread, socket_thread;
};

QueryServer::QueryServer(const QueryServerOptions& options,
                         const std::shared_ptr<const index_tools::SnapshotShard>& shard,
                         std::string generation, base::Metrics& metrics)
    : impl_(std::make_unique<Impl>(options, shard, std::move(generation), metrics)) {}
QueryServer::~QueryServer() = default;
std::string QueryServer::endpoint() const { return impl_->bound; }
QueryServerLoad QueryServer::load() const { return impl_->load(); }
SearchPulse QueryServer::pulse() const { return impl_->pulse(); }
void QueryServer::drain() { impl_->draining = true; }

}  // namespace rookery::retriever_pool
