#include "launch/tail_bench.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>
#include <span>
#include <stdexcept>
#include <thread>

#include "base/error.hpp"
#include "base/metrics.hpp"
#include "launch/chaos/fault_proxy.hpp"
#include "launch/detail/bench_view.hpp"
#include "launch/detail/vector_shard.hpp"
#include "launch/percentile.hpp"
#include "launch/steady_load.hpp"
#include "retriever_pool/query_server.hpp"
#include "retriever_pool/view_server.hpp"

namespace rookery::launch {
namespace {

using Json = nlohmann::json;
using namespace retriever_pool;
using Clock = std::chrono::steady_clock;

constexpr std::int32_t kCallers = 16;  // more than ever wait at once, or the loop is not open
constexpr std::int64_t kDistinct = 16;
constexpr double kWarmSeconds = 1;

/// Replicas of one shard, each behind a proxy, and the view that names the proxies.
class ProxiedReplicas {
 public:
  ProxiedReplicas(const std::shared_ptr<const index_tools::SnapshotShard>& shard,
                  const TailBenchOptions& options)
      : views_("tcp://127.0.0.1:*") {
    std::vector<std::string> endpoints;
    for (std::int32_t r = 0; r < options.replicas; ++r) {
      servers_.push_back(std::make_unique<QueryServer>(QueryServerOptions{}, shard,
                                                       detail::kBenchGeneration, metrics_));
      proxies_.push_back(std::make_unique<FaultProxy>(
          servers_.back()->endpoint(), options.seed + static_cast<std::uint64_t>(r)));
      endpoints.push_back("tcp://" + proxies_.back()->address());
    }
    views_.publish(detail::bench_view(*shard, endpoints));
  }
  [[nodiscard]] std::unique_ptr<Retriever> client(PoolClientOptions options) const {
    options.head = views_.endpoint();
    return open_pool_client(options);
  }
  /// The first replica's answers come so much later from now on.
  void slow_down(std::chrono::milliseconds delay) {
    ProxyFaults faults;
    faults.to_client.delay = delay;
    proxies_.front()->set(faults);
  }
  void heal() { proxies_.front()->heal(); }

 private:
  base::Metrics metrics_;
  std::vector<std::unique_ptr<QueryServer>> servers_;
  std::vector<std::unique_ptr<FaultProxy>> proxies_;
  ViewServer views_;
};

/// Counts what the load generator does not look at.
class CountingRetriever final : public Retriever {
 public:
  explicit CountingRetriever(Retriever& inner) : inner_(inner) {}
  RetrievalAnswer retrieve(const RetrievalRequest& request) override {
    RetrievalAnswer answer = inner_.retrieve(request);
    copies += answer.hedges;
    return answer;
  }
  IndexDescription description() override { return inner_.description(); }

  std::atomic<std::int64_t> copies = 0;

 private:
  Retriever& inner_;
};

struct RowPlan {
  const char* name;
  bool slow;
  bool care;  // hedging and ejection
  ChoicePolicy choice;
};
constexpr std::array kRows{RowPlan{"healthy", false, true, ChoicePolicy::kPowerOfTwo},
                           RowPlan{"hedged", true, true, ChoicePolicy::kPowerOfTwo},
                           RowPlan{"choice", true, false, ChoicePolicy::kPowerOfTwo},
                           RowPlan{"plain", true, false, ChoicePolicy::kRandom}};

PoolClientOptions client_options(const RowPlan& row, std::uint64_t seed) {
  PoolClientOptions options;
  options.hedge.enabled = row.care;
  options.ejection = row.care;
  options.choice = row.choice;
  options.seed = seed;
  return options;
}

/// Calls a second of twice as many callers as there are replicas.
double capacity_of(Retriever& pool, std::span<const float> query, const TailBenchOptions& options) {
  std::atomic<std::int64_t> calls = 0;
  const auto begin = Clock::now();
  const auto end = begin + std::chrono::seconds(1);
  {
    std::vector<std::jthread> callers;
    for (std::int32_t c = 0; c < 2 * options.replicas; ++c) {
      callers.emplace_back([&] {
        RetrievalRequest request;
        request.queries = query;
        try {
          for (; Clock::now() < end; ++calls) (void)pool.retrieve(request);
        } catch (const RetrievalError&) {  // the steady load will say so
        }
      });
    }
  }
  return static_cast<double>(calls) / std::chrono::duration<double>(Clock::now() - begin).count();
}

SteadyLoadReport offer(Retriever& pool, Retriever& oracle, std::span<const float> queries,
                       double rate, double seconds) {
  SteadyLoadOptions load;
  load.rate_per_s = rate;
  load.queries = std::max<std::int64_t>(1, static_cast<std::int64_t>(rate * seconds));
  load.threads = kCallers;
  return run_steady_load(pool, oracle, queries, load, [](std::int64_t) {});
}

Json as_json(const TailFigures& figures) {
  return {{"p50_ms", figures.p50_ms},
          {"p99_ms", figures.p99_ms},
          {"p99_ms_turns", figures.p99_ms_turns},
          {"p999_ms", figures.p999_ms},
          {"p99_ratio", figures.p99_ratio},
          {"extra_load", figures.extra_load}};
}

}  // namespace

TailFigures tail_figures(const std::vector<TailTurn>& healthy, const std::vector<TailTurn>& row) {
  if (healthy.size() != row.size()) {
    throw std::invalid_argument("tail_figures: expected as many turns of both, got " +
                                std::to_string(healthy.size()) + " and " +
                                std::to_string(row.size()));
  }
  std::vector<double> p50, ratio, all;
  TailFigures figures;
  std::vector<double>& p99 = figures.p99_ms_turns;
  std::int64_t copies = 0;
  for (std::size_t turn = 0; turn < row.size(); ++turn) {
    const std::vector<double>& times = row[turn].latency_ms;
    p50.push_back(percentile(times, 0.5));
    p99.push_back(percentile(times, 0.99));
    const double normal = percentile(healthy[turn].latency_ms, 0.99);
    ratio.push_back(normal > 0 ? p99.back() / normal : 0);
    all.insert(all.end(), times.begin(), times.end());
    copies += row[turn].copies;
  }
  figures.p50_ms = median(p50);
  figures.p99_ms = median(p99);
  figures.p999_ms = percentile(all, 0.999);
  figures.p99_ratio = median(ratio);
  if (!all.empty()) {
    figures.extra_load = static_cast<double>(copies) / static_cast<double>(all.size());
  }
  return figures;
}

Json measure_tail(const TailBenchOptions& options,
                  const std::function<void(const std::string&)>& say) {
  auto shard = std::make_shared<detail::VectorShard>(options.rows, options.dimension, options.seed);
  const std::vector<float> queries = shard->drawn(kDistinct);
  ProxiedReplicas replicas(shard, options);
  PoolClientOptions unmoved;
  unmoved.ejection = false;
  const auto oracle = replicas.client(unmoved);
  say("capacity");
  const double capacity = capacity_of(
      *oracle, std::span(queries).first(static_cast<std::size_t>(options.dimension)), options);
  if (capacity < 1) {
    throw base::UserError(
        "bench tail: expected a search to take less than a second; choose fewer "
        "--rows");
  }
  const double rate = options.load * capacity;
  std::array<std::vector<TailTurn>, kRows.size()> turns;
  std::int64_t lost = 0, wrong = 0;
  std::vector<double> delays;
  for (std::int32_t turn = 0; turn < options.repeat; ++turn) {
    std::chrono::milliseconds delay{0};
    for (std::size_t r = 0; r < kRows.size(); ++r) {
      const RowPlan& row = kRows[r];
      say(std::string(row.name) + ", turn " + std::to_string(turn + 1) + " of " +
          std::to_string(options.repeat));
      const auto client =
          replicas.client(client_options(row, options.seed + static_cast<std::uint64_t>(turn)));
      // A client that knows its replicas; then one of them changes.
      offer(*client, *oracle, queries, rate, kWarmSeconds);
      if (row.slow) replicas.slow_down(delay);
      CountingRetriever counted(*client);
      SteadyLoadReport report = offer(counted, *oracle, queries, rate, options.seconds);
      replicas.heal();
      lost += report.lost;
      wrong += report.wrong;
      if (!row.slow) {
        const double p50_ms = percentile(report.latency_ms, 0.5);
        delay = std::chrono::ceil<std::chrono::milliseconds>(
            std::chrono::duration<double, std::milli>((options.slowness - 1) * p50_ms));
        delays.push_back(static_cast<double>(delay.count()));
      }
      turns[r].push_back({std::move(report.latency_ms), counted.copies});
    }
  }
  Json result = {{"capacity_per_s", capacity},
                 {"rate_per_s", rate},
                 {"delay_ms", median(delays)},
                 {"lost", lost},
                 {"wrong", wrong}};
  for (std::size_t r = 0; r < kRows.size(); ++r) {
    const TailFigures figures = tail_figures(turns.front(), turns[r]);
    result["rows"][kRows[r].name] = as_json(figures);
    if (kRows[r].slow) result[std::string("p99_ratio_") + kRows[r].name] = figures.p99_ratio;
  }
  result["extra_load"] = result["rows"]["hedged"]["extra_load"];
  return result;
}

}  // namespace rookery::launch
