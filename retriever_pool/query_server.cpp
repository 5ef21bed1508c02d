#include "retriever_pool/query_server.hpp"

#include <pthread.h>
#include <time.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>
#include <zmq.hpp>

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/trace.hpp"
#include "retriever_pool/admission_queue.hpp"
#include "retriever_pool/detail/peer_gate.hpp"
#include "retriever_pool/detail/sockets.hpp"
#include "retriever_pool/query_sample.hpp"
#include "retriever_pool/server_metrics.hpp"
#include "retriever_pool/shard_indexes.hpp"
#include "retriever_pool/shard_service.hpp"
#include "retriever_pool/wait_percentile.hpp"
#include "retriever_pool/wire_bodies.hpp"

namespace rookery::retriever_pool {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::microseconds kRemainingMax = std::chrono::hours(1);
constexpr int kReceiveBurst = 64;  // messages between two looks at the outbox
// Waking another thread takes some tens of microseconds; answers to others wait for so long.
constexpr std::chrono::microseconds kShortSearch{200};
constexpr int kLingerMs = 250;  // for answers that are on their way when the server stops

AdmissionLimits limits_of(const QueryServerOptions& options) {
  for (const double share : options.priority_shares) {
    if (!(share > 0 && share <= 1)) {
      throw base::UserError("priority_shares: expected numbers in (0, 1], got " +
                            std::to_string(share));
    }
  }
  return {options.queue_requests_max, options.queue_bytes_max, options.batch_queries_max,
          options.priority_shares, options.batch_window};
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
        metrics(registry, shard->shard(), generation),
        service(open_indexes(options, shard), options.metric,
                identity_of(options, std::move(generation))),
        queue(limits_of(options)),
        trace(options.trace),
        gate(context, options.keys, &registry, "shard " + std::to_string(shard->shard())),
        router(context, zmq::socket_type::router) {
    detail::configure(router, {kLingerMs, 256, wire::kQueryBytesMax + 4096});
    router.set(zmq::sockopt::router_mandatory, true);
    gate.guard(router);
    bound = detail::bind_or_explain(router, options.bind);
    service.rehearse();
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
      search_what_came();
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
    std::int64_t bytes = 0;
    for (std::size_t i = 1; i < frames.size(); ++i) bytes += std::ssize(frames[i]);
    metrics.received(bytes);
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
        request.cost_class = service.check_query(request.body);
        return admit(request);
      case wire::Type::kPing:
        return admit(request);
      case wire::Type::kCancel: {
        const std::lock_guard lock(mutex);
        if (!queue.cancel(request.client, request.header.request)) return;
        metrics.cancelled();
        metrics.set_queue(queue.size());
        return;
      }
      case wire::Type::kSampleRequest:
        service.check_target(request.header);
        return send(service.sample_reply(request, wire::decode_sample_request(body), sample));
      default:
        throw wire::WireError(wire::ErrorCode::kMalformed,
                              "expected a query, a ping, a cancel or a request for a sample, got "
                              "another type");
    }
  }

  void admit(PendingRequest& request) {
    const std::lock_guard lock(mutex);
    if (stopping) return refuse(request, stopped());
    if (const auto refusal = queue.admit(std::move(request), request.arrived)) {
      return refuse(request, *refusal);  // NOLINT(bugprone-use-after-move): it is left whole
    }
    for (const auto& [displaced, why] : queue.take_displaced()) refuse(displaced, why);
    metrics.set_queue(queue.size());
    news = true;
  }

  // A search that is over sooner than another thread would be awake is done here, when nobody else
  // searches.
  void search_what_came() {
    if (!news) return;
    news = false;
    AdmissionQueue::Batch batch;
    {
      const std::lock_guard lock(mutex);
      const auto now = Clock::now();
      const auto at = queue.next_batch_at(now);
      const auto cost = queue.expected_search();
      if (!at || *at > now || !cost || *cost > kShortSearch || searching || stopping) {
        work.notify_one();
        return;
      }
      batch = queue.take_batch(now);
      metrics.set_queue(queue.size());
      searching = true;
    }
    serve(batch, [this](const ServiceReply& reply) { send(reply); });
    const std::lock_guard lock(mutex);
    searching = false;
    if (!queue.empty() || stopping) work.notify_one();
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
      metrics.sent(std::ssize(reply.header) + std::ssize(reply.body));
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
    metrics.refused(refusal.code, request.priority());
    post(service.error_reply(request, refusal));
  }

  void post(ServiceReply reply) {
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
        wait_for_batch(lock);
        batch = queue.take_batch(Clock::now());
        metrics.set_queue(queue.size());
        if (stopping) {
          lock.unlock();
          for (const auto* requests : {&batch.requests, &batch.expired}) {
            for (const PendingRequest& request : *requests) refuse(request, stopped());
          }
          if (batch.requests.empty()) return;
          continue;
        }
        searching = true;
      }
      serve(batch, [this](ServiceReply reply) { post(std::move(reply)); });
      const std::lock_guard lock(mutex);
      searching = false;
    }
  }

  // Until a batch should begin, or the server stops; never while the socket's thread searches.
  void wait_for_batch(std::unique_lock<std::mutex>& lock) {
    while (true) {
      if (searching) {
        work.wait(lock);
        continue;
      }
      if (stopping) return;
      const auto at = queue.next_batch_at(Clock::now());
      if (!at) {
        work.wait(lock);
      } else if (*at <= Clock::now()) {
        return;
      } else {
        work.wait_until(lock, *at);
      }
    }
  }

  // --- whichever thread searches ---

  void serve(const AdmissionQueue::Batch& batch, const std::function<void(ServiceReply)>& deliver) {
    for (const PendingRequest& request : batch.expired) {
      refuse(request, {wire::ErrorCode::kDeadline, "the deadline passed in the queue",
                       std::chrono::milliseconds{0}});
    }
    const auto scans = service.serve(batch.requests, counts(), [&](ServiceReply reply) {
      if (reply.error) {
        refused.fetch_add(1);
        metrics.refused(*reply.error, reply.priority);
      } else if (reply.query) {
        served.fetch_add(1);
        metrics.served();
      }
      deliver(std::move(reply));
    });
    const auto end = Clock::now();
    {
      const std::lock_guard lock(mutex);
      queue.finished(end);
      for (const ServiceScan& scan : scans) {
        queue.record(scan.cost_class, scan.queries, scan.took);
        const auto took = std::chrono::duration_cast<std::chrono::microseconds>(scan.took);
        for (const auto wait : scan.waits) {
          waits.add(wait, end);
          answers.add(wait + took, end);
        }
      }
    }
    for (const ServiceScan& scan : scans) metrics.scan(scan);
    for (const PendingRequest& request : batch.requests) sample.add(request.body);
    if (trace != nullptr) write_trace(batch, scans);
    batches.fetch_add(1);
  }

  void write_trace(const AdmissionQueue::Batch& batch, const std::vector<ServiceScan>& scans) {
    for (const ServiceScan& scan : scans) {
      trace->span("pool", "search " + scan.kind, scan.begin, scan.begin + scan.took, 0,
                  name + ", " + std::to_string(scan.queries) + " queries");
    }
    if (scans.empty()) return;
    for (const PendingRequest& request : batch.requests) {
      if (request.queries() == 0) continue;
      trace->span("pool", "queue", request.arrived, std::max(request.arrived, scans.front().begin),
                  request.header.trace, name);
    }
  }

  [[nodiscard]] QueryServerLoad counts() const {
    const std::lock_guard lock(mutex);
    return {queue.size(), served.load(), refused.load()};
  }

  [[nodiscard]] QueryServerLoad load() const {
    const std::lock_guard lock(mutex);
    const auto now = Clock::now();
    return {queue.size(),
            served.load(),
            refused.load(),
            waits.p95(now).count(),
            answers.percentile(50, now).count(),
            answers.percentile(99, now).count()};
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

  mutable std::mutex mutex;  // guards queue, waits, answers and stopping
  std::condition_variable work;
  AdmissionQueue queue;
  WaitPercentile waits, answers;
  bool stopping = false;
  bool news = false;  // of the socket's thread: something was admitted
  QuerySample sample;
  base::Trace* trace;

  std::mutex outbox_mutex;
  std::vector<ServiceReply> outbox;
  detail::Doorbell doorbell;
  std::atomic<bool> draining = false, closing = false;
  std::atomic<std::int64_t> served = 0, refused = 0;
  std::atomic<bool> searching = false;  // by either thread; changed under `mutex`
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
