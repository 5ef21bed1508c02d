#include "launch/pool_bench.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <thread>
#include <vector>
#include <zmq.hpp>

#include "base/error.hpp"
#include "base/metrics.hpp"
#include "index_tools/npy_file.hpp"
#include "launch/detail/bench_view.hpp"
#include "launch/detail/vector_shard.hpp"
#include "launch/percentile.hpp"
#include "launch/rival.hpp"
#include "launch/scratch_folder.hpp"
#include "retriever_pool/query_server.hpp"
#include "retriever_pool/shard_index.hpp"
#include "retriever_pool/view_server.hpp"

namespace rookery::launch {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using namespace retriever_pool;
using detail::VectorShard;
using Clock = std::chrono::steady_clock;

constexpr std::int32_t kQueries = 8, kDocuments = 5;
constexpr std::size_t kReplyBytes = 480;  // ids and scores of 8 × 5 documents

double micros(Clock::duration time) {
  return std::chrono::duration<double, std::micro>(time).count();
}

/// One server and the view that names it.
class OneServer {
 public:
  OneServer(const std::shared_ptr<const index_tools::SnapshotShard>& shard, const std::string& bind,
            int threads)
      : server_(options_of(bind, threads), shard, detail::kBenchGeneration, metrics_),
        views_("tcp://127.0.0.1:*") {
    views_.publish(detail::bench_view(*shard, {server_.endpoint()}));
  }
  [[nodiscard]] std::unique_ptr<Retriever> client() const {
    PoolClientOptions options;
    options.head = views_.endpoint();
    options.hedge.enabled = false;  // there is one replica
    return open_pool_client(options);
  }

 private:
  static QueryServerOptions options_of(const std::string& bind, int threads) {
    QueryServerOptions options;
    options.bind = bind;
    options.threads = threads;
    return options;
  }
  base::Metrics metrics_;
  QueryServer server_;
  ViewServer views_;
};

/// Answers every message with as many bytes as the pool would, and does nothing else.
class RawEcho {
 public:
  explicit RawEcho(const std::string& bind) : router_(context_, zmq::socket_type::router) {
    router_.set(zmq::sockopt::linger, 0);
    router_.bind(bind);
    endpoint_ = router_.get(zmq::sockopt::last_endpoint);
    thread_ = std::thread([this] { loop(); });
    dealer_ = zmq::socket_t(context_, zmq::socket_type::dealer);
    dealer_.set(zmq::sockopt::linger, 0);
    dealer_.connect(endpoint_);
  }
  ~RawEcho() {
    dealer_.send(zmq::message_t(), zmq::send_flags::none);  // an empty one ends the loop
    thread_.join();
  }
  RawEcho(const RawEcho&) = delete;
  RawEcho& operator=(const RawEcho&) = delete;

  double round_trip_us(std::size_t bytes) {
    const std::string payload(bytes, 'x');
    const auto begin = Clock::now();
    dealer_.send(zmq::buffer(payload), zmq::send_flags::none);
    zmq::message_t reply;
    [[maybe_unused]] const auto got = dealer_.recv(reply);
    return micros(Clock::now() - begin);
  }

 private:
  void loop() {
    const std::string reply(kReplyBytes, 'y');
    while (true) {
      zmq::message_t client, body;
      if (!router_.recv(client) || !router_.recv(body) || body.empty()) return;
      router_.send(client, zmq::send_flags::sndmore);
      router_.send(zmq::buffer(reply), zmq::send_flags::none);
    }
  }
  zmq::context_t context_;
  zmq::socket_t router_, dealer_;
  std::string endpoint_;
  std::thread thread_;
};

RetrievalRequest request_of(std::span<const float> queries) {
  RetrievalRequest request;
  request.queries = queries;
  request.k = kDocuments;
  request.want_passages = false;
  request.deadline = std::chrono::milliseconds(30'000);
  return request;
}

void measure_overhead(const PoolBenchOptions& options, const std::string& transport,
                      const std::string& bind, const std::string& raw_bind, Json& result) {
  auto shard =
      std::make_shared<VectorShard>(options.overhead_rows, options.dimension, options.seed);
  const std::vector<float> queries = shard->drawn(kQueries);
  const OneServer server(shard, bind, options.threads);
  const auto client = server.client();
  RawEcho echo(raw_bind);
  const RetrievalRequest request = request_of(queries);
  std::vector<double> overhead, search, raw;
  const std::int32_t warm = options.calls / 10;
  for (std::int32_t call = 0; call < options.calls + warm; ++call) {
    const auto begin = Clock::now();
    const RetrievalAnswer answer = client->retrieve(request);
    const double total = micros(Clock::now() - begin);
    const double round =
        echo.round_trip_us(std::size_t{kQueries} * 4 * static_cast<std::size_t>(options.dimension));
    if (call < warm) continue;
    const auto searched = static_cast<double>(answer.search_time.count());
    overhead.push_back(total - searched);
    search.push_back(searched);
    raw.push_back(round);
  }
  result["overhead_" + transport + "_us_p50"] = percentile(overhead, 0.5);
  result["overhead_" + transport + "_us_p99"] = percentile(overhead, 0.99);
  result["overhead_" + transport + "_us_min"] = *std::min_element(overhead.begin(), overhead.end());
  result["search_" + transport + "_us_p50"] = percentile(search, 0.5);
  result["raw_" + transport + "_us_p50"] = percentile(raw, 0.5);
  result["raw_" + transport + "_us_p99"] = percentile(raw, 0.99);
}

/// Queries a second that `clients` threads get answered, each asking `batch` of its own at a time.
double pool_rate(const OneServer& server, VectorShard& source, std::int32_t clients,
                 std::int32_t batch, double seconds) {
  std::vector<std::unique_ptr<Retriever>> pools;
  std::vector<std::vector<float>> queries;
  for (std::int32_t c = 0; c < clients; ++c) {
    pools.push_back(server.client());
    queries.push_back(source.drawn(batch));
    (void)pools.back()->retrieve(request_of(queries.back()));
  }
  std::atomic<std::int64_t> answered = 0;
  std::atomic<bool> stop = false;
  std::vector<std::thread> threads;
  const auto begin = Clock::now();
  for (std::size_t c = 0; c < pools.size(); ++c) {
    threads.emplace_back([&, c] {
      while (!stop) {
        (void)pools[c]->retrieve(request_of(queries[c]));
        answered += batch;
      }
    });
  }
  std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
  stop = true;
  for (auto& thread : threads) thread.join();
  return static_cast<double>(answered) * 1e6 / micros(Clock::now() - begin);
}

double loop_rate(const ShardIndex& index, std::span<const float> queries, double seconds) {
  SearchBatch batch;
  batch.queries = queries;
  batch.k = kDocuments;
  const auto count = std::ssize(queries) / index.dimension();
  std::int64_t answered = 0;
  const auto begin = Clock::now();
  while (micros(Clock::now() - begin) < seconds * 1e6) {
    (void)index.search(batch);
    answered += count;
  }
  return static_cast<double>(answered) * 1e6 / micros(Clock::now() - begin);
}

/// As many processes as there are clients, each searching by faiss at its defaults at once.
class FaissClients {
 public:
  FaissClients(const fs::path& folder, const PoolBenchOptions& options)
      : threads_(options.threads) {
    for (std::int32_t c = 0; c < options.clients; ++c) {
      auto rival = Rival::start("faiss_flat", {folder.string()}, options.threads);
      if (!rival) return;
      rivals_.push_back(std::move(*rival));
    }
    there_ = true;
  }
  [[nodiscard]] bool there() const { return there_; }
  /// Queries a second of all together.
  double rate(double seconds) {
    std::atomic<std::int64_t> answered = 0;
    std::vector<std::thread> threads;
    const auto begin = Clock::now();
    for (Rival& rival : rivals_) {
      threads.emplace_back([&] {
        while (micros(Clock::now() - begin) < seconds * 1e6) {
          rival.ask({{"batch", kQueries}, {"threads", threads_}, {"mode", "default"}});
          answered += kQueries;
        }
      });
    }
    for (auto& thread : threads) thread.join();
    return static_cast<double>(answered) * 1e6 / micros(Clock::now() - begin);
  }

 private:
  int threads_;
  std::vector<Rival> rivals_;
  bool there_ = false;
};

void write_rows(const fs::path& path, std::span<const float> values, std::int32_t dimension) {
  index_tools::NpyHeader shape;
  shape.columns = dimension;
  shape.rows = std::ssize(values) / dimension;
  index_tools::NpyWriter writer(path, shape);
  writer.write(std::as_bytes(values));
  writer.finish();
}

void measure_throughput(const PoolBenchOptions& options, const fs::path& scratch, Json& result,
                        const std::function<void(const std::string&)>& say) {
  auto shard = std::make_shared<VectorShard>(options.rows, options.dimension, options.seed);
  const std::int32_t full = QueryServerOptions{}.batch_queries_max;
  const std::vector<float> many = shard->drawn(full);
  say("starting faiss-cpu, where it is installed");
  write_rows(scratch / "vectors.npy", shard->vectors(), options.dimension);
  write_rows(scratch / "queries.npy",
             std::span(many).first(static_cast<std::size_t>(16) *
                                   static_cast<std::size_t>(options.dimension)),
             options.dimension);
  FaissClients faiss(scratch, options);
  const auto index =
      make_exact_index(shard, Metric::kInnerProduct, std::make_shared<SearchTeam>(options.threads));
  const OneServer server(shard, "tcp://127.0.0.1:*", options.threads);
  // Enough clients that the next scan's queries wait while one runs, each scan full.
  const std::int32_t batch = full / options.clients;
  std::vector<double> merged, alone, pooled, theirs;
  for (std::int32_t turn = 0; turn < options.repeat; ++turn) {
    say("throughput, turn " + std::to_string(turn + 1) + " of " + std::to_string(options.repeat));
    merged.push_back(pool_rate(server, *shard, options.clients, kQueries, options.seconds));
    if (faiss.there()) theirs.push_back(faiss.rate(options.seconds));
    alone.push_back(loop_rate(*index, many, options.seconds));
    pooled.push_back(pool_rate(server, *shard, 2 * options.clients, batch, options.seconds));
  }
  std::vector<double> shares;
  for (std::size_t turn = 0; turn < pooled.size(); ++turn) {
    shares.push_back(pooled[turn] / alone[turn]);
  }
  result["pool_queries_per_s"] = median(merged);
  result["faiss_queries_per_s"] = faiss.there() ? Json(median(theirs)) : Json();
  result["merged_speedup"] = faiss.there() ? Json(median(merged) / median(theirs)) : Json();
  result["loop_queries_per_s"] = median(alone);
  result["saturated_queries_per_s"] = median(pooled);
  result["saturation_share"] = median(shares);
}

}  // namespace

Json measure_pool(const PoolBenchOptions& options,
                  const std::function<void(const std::string&)>& say) {
  const ScratchFolder scratch("pool");
  Json result = Json::object();
  const std::string ipc = "ipc://" + scratch.path().string();
  say("overhead over ipc");
  measure_overhead(options, "ipc", ipc + "/pool", ipc + "/raw", result);
  say("overhead over tcp");
  measure_overhead(options, "tcp", "tcp://127.0.0.1:*", "tcp://127.0.0.1:*", result);
  measure_throughput(options, scratch.path(), result, say);
  return result;
}

}  // namespace rookery::launch
