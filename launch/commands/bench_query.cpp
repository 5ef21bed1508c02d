#include "launch/commands/bench_query.hpp"

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <chrono>
#include <cmath>
#include <cstdio>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "base/atomic_file.hpp"
#include "base/error.hpp"
#include "base/progress.hpp"
#include "launch/open_retriever.hpp"
#include "launch/steady_load.hpp"

namespace rookery::launch {
namespace {

using Clock = std::chrono::steady_clock;
using namespace retriever_pool;

struct BenchArguments {
  std::string target, json;
  std::int64_t queries = 2000, warm_up = 100, k = 5;
  std::uint64_t seed = 1;
  double rate_per_s = 0;
};

std::vector<float> random_unit_vector(std::mt19937_64& random, std::int32_t dimension) {
  std::normal_distribution<float> normal;
  std::vector<float> vector(static_cast<std::size_t>(dimension));
  double squares = 0;
  for (float& value : vector) {
    value = normal(random);
    squares += static_cast<double>(value) * static_cast<double>(value);
  }
  const auto scale = static_cast<float>(1 / std::sqrt(std::max(squares, 1e-30)));
  for (float& value : vector) value *= scale;
  return vector;
}

// Queries that look like a user's: every second one is a stored passage's vector, moved a little.
std::vector<std::vector<float>> make_queries(Retriever& pool, const BenchArguments& arguments) {
  std::mt19937_64 random(arguments.seed);
  const std::int32_t dimension = pool.description().dimension;
  std::vector<std::vector<float>> queries;
  constexpr std::size_t kDistinct = 256;
  while (queries.size() < kDistinct) {
    std::vector<float> query = random_unit_vector(random, dimension);
    if (queries.size() % 2 == 1) {
      RetrievalRequest request;
      request.queries = query;
      request.k = 1;
      request.want_passages = false;
      request.want_vectors = true;
      const RetrievalAnswer answer = retrieve_or_explain(pool, request);
      if (!answer.rows.front().empty()) {
        const std::vector<float>& stored = answer.rows.front().front().vector;
        for (std::size_t i = 0; i < query.size(); ++i) query[i] = stored[i] + 0.3F * query[i];
      }
    }
    queries.push_back(std::move(query));
  }
  return queries;
}

struct BenchResult {
  std::vector<double> total_ms, search_ms;
  double seconds = 0;
  std::int64_t attempts = 0;
};

BenchResult measure(Retriever& pool, const BenchArguments& arguments) {
  const auto queries = make_queries(pool, arguments);
  RetrievalRequest request;
  request.k = checked_k(arguments.k);
  for (std::int64_t i = 0; i < arguments.warm_up; ++i) {
    request.queries = queries[static_cast<std::size_t>(i) % queries.size()];
    (void)retrieve_or_explain(pool, request);
  }
  BenchResult result;
  base::Progress progress("bench query", arguments.queries, "queries");
  const auto begin = Clock::now();
  for (std::int64_t i = 0; i < arguments.queries; ++i) {
    auto due = Clock::now();
    if (arguments.rate_per_s > 0) {
      // Open loop: a query's time counts from when it was due, so that a stall shows in full.
      due = begin + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(
                        static_cast<double>(i) / arguments.rate_per_s));
      std::this_thread::sleep_until(due);
    }
    request.queries = queries[static_cast<std::size_t>(i) % queries.size()];
    const RetrievalAnswer answer = retrieve_or_explain(pool, request);
    const std::chrono::duration<double, std::milli> total = Clock::now() - due;
    result.total_ms.push_back(total.count());
    result.search_ms.push_back(static_cast<double>(answer.search_time.count()) / 1000);
    result.attempts += answer.attempts;
    progress.update(i + 1);
  }
  result.seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  progress.finish();
  return result;
}

void run_bench_query(const BenchArguments& arguments) {
  checked_k(arguments.k);
  const auto pool = open_retriever(arguments.target);
  const IndexDescription index = pool->description();
  const BenchResult result = measure(*pool, arguments);
  const double p50 = percentile(result.total_ms, 0.50);
  const double p95 = percentile(result.total_ms, 0.95);
  const double p99 = percentile(result.total_ms, 0.99);
  const double search_p50 = percentile(result.search_ms, 0.50);
  const double rate = static_cast<double>(arguments.queries) / result.seconds;
  std::printf("%lld passages × %d in %d shards, one vector in, %lld passages out\n",
              static_cast<long long>(index.passages), index.dimension, index.shards,
              static_cast<long long>(arguments.k));
  std::printf("p50 %.3f ms · p95 %.3f ms · p99 %.3f ms · search p50 %.3f ms · %.0f queries/s\n",
              p50, p95, p99, search_p50, rate);
  if (arguments.json.empty()) return;
  const nlohmann::json json = {{"target", arguments.target},
                               {"queries", arguments.queries},
                               {"k", arguments.k},
                               {"rate_per_s", arguments.rate_per_s},
                               {"seed", arguments.seed},
                               {"passages", index.passages},
                               {"dimension", index.dimension},
                               {"shards", index.shards},
                               {"query_ms_p50", p50},
                               {"query_ms_p95", p95},
                               {"query_ms_p99", p99},
                               {"search_ms_p50", search_p50},
                               {"queries_per_s", rate},
                               {"attempts", result.attempts}};
  base::write_file_atomically(arguments.json, json.dump(2) + "\n");
}

}  // namespace

void add_bench_query(CLI::App& bench) {
  const auto arguments = std::make_shared<BenchArguments>();  // lives as long as the callback
  CLI::App* command =
      bench.add_subcommand("query", "Time of single queries: a vector in, passages out");
  command
      ->add_option("target", arguments->target,
                   "Colony, its YAML file, snapshot folder or tcp://HOST:PORT")
      ->required();
  command->add_option("--queries", arguments->queries, "How many to time")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{100000000}))
      ->capture_default_str();
  command->add_option("-k", arguments->k, "Number of documents, 1 to 1024")->capture_default_str();
  command
      ->add_option("--rate", arguments->rate_per_s,
                   "Queries a second at a steady rate; 0: the next when the last is answered")
      ->check(CLI::Range(0.0, 1e6))
      ->capture_default_str();
  command->add_option("--seed", arguments->seed, "Of the queries")->capture_default_str();
  command->add_option("--json", arguments->json, "Write the figures to this file");
  command->footer("Example: rookery bench query wiki --queries 2000 --json query.json");
  command->callback([arguments] { run_bench_query(*arguments); });
}

}  // namespace rookery::launch
