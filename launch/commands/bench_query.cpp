#include "launch/commands/bench_query.hpp"

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <memory>
#include <random>
#include <span>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "base/atomic_file.hpp"
#include "base/error.hpp"
#include "base/progress.hpp"
#include "launch/commands/search_flags.hpp"
#include "launch/open_retriever.hpp"
#include "launch/percentile.hpp"
#include "launch/search_mode.hpp"

namespace rookery::launch {
namespace {

using Clock = std::chrono::steady_clock;
using namespace retriever_pool;

struct BenchArguments {
  std::string target, json, kind;
  SearchFlags search;
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

constexpr std::size_t kDistinct = 256;  // queries, asked in turn

// Texts that have answers: eight words in the middle of stored passages, found by id.
std::vector<std::string> make_texts(Retriever& pool, const BenchArguments& arguments) {
  std::mt19937_64 random(arguments.seed);
  const std::int64_t passages = std::max<std::int64_t>(pool.description().passages, 1);
  std::vector<std::string> texts;
  while (texts.size() < kDistinct) {
    std::vector<std::int64_t> ids(kDistinct);
    for (std::int64_t& id : ids) {
      id = static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(passages));
    }
    RetrievalRequest request;
    request.ids = ids;
    const std::size_t before = texts.size();
    for (const auto& row : retrieve_or_explain(pool, request).rows) {
      if (row.empty()) continue;
      std::istringstream words(row.front().text.substr(row.front().text.size() / 3));
      std::string text, word;
      words >> word;  // may be cut
      for (int i = 0; i < 8 && words >> word; ++i) text += word + " ";
      texts.push_back(std::move(text));
    }
    if (texts.size() == before) {
      throw base::UserError("bench query: expected passages with ids below " +
                            std::to_string(passages) + " to take words from, got none");
    }
  }
  return texts;
}

// Queries that look like a user's: every second one is a stored passage's vector, moved a little.
std::vector<std::vector<float>> make_queries(Retriever& pool, const BenchArguments& arguments) {
  std::mt19937_64 random(arguments.seed);
  const std::int32_t dimension = pool.description().dimension;
  std::vector<std::vector<float>> queries;
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
  const SearchMode mode = search_mode(arguments.kind);
  const bool vectors = needs_vectors(mode, pool.description());
  const auto queries = vectors ? make_queries(pool, arguments) : std::vector<std::vector<float>>{};
  const auto texts =
      vectors && !mode.hybrid ? std::vector<std::string>{} : make_texts(pool, arguments);
  RetrievalRequest request;
  request.k = checked_k(arguments.k);
  request.tuning = arguments.search.tuning;
  request.filter = read_filter(arguments.search.filter);
  const auto ask_one = [&](std::int64_t i) {
    AskedQuestions asked;
    if (vectors) asked.vectors = queries[static_cast<std::size_t>(i) % queries.size()];
    if (!texts.empty()) {
      asked.texts = std::span(texts).subspan(static_cast<std::size_t>(i) % texts.size(), 1);
    }
    return ask(pool, mode, asked, request);
  };
  for (std::int64_t i = 0; i < arguments.warm_up; ++i) {
    (void)ask_one(i);
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
    const RetrievalAnswer answer = ask_one(i);
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
  const std::string kind =
      arguments.kind.empty() ? index_tools::to_string(index.default_kind) : arguments.kind;
  const BenchResult result = measure(*pool, arguments);
  const double p50 = percentile(result.total_ms, 0.50);
  const double p95 = percentile(result.total_ms, 0.95);
  const double p99 = percentile(result.total_ms, 0.99);
  const double search_p50 = percentile(result.search_ms, 0.50);
  const double rate = static_cast<double>(arguments.queries) / result.seconds;
  std::printf("%lld passages × %d in %d shards, %s, one query in, %lld passages out\n",
              static_cast<long long>(index.passages), index.dimension, index.shards, kind.c_str(),
              static_cast<long long>(arguments.k));
  std::printf("p50 %.3f ms · p95 %.3f ms · p99 %.3f ms · search p50 %.3f ms · %.0f queries/s\n",
              p50, p95, p99, search_p50, rate);
  if (arguments.json.empty()) return;
  const nlohmann::json json = {{"target", arguments.target},
                               {"queries", arguments.queries},
                               {"k", arguments.k},
                               {"kind", kind},
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
      bench.add_subcommand("query", "Time of single queries: a vector or text in, passages out");
  command
      ->add_option("target", arguments->target,
                   "Colony, its YAML file, snapshot folder or tcp://HOST:PORT")
      ->required();
  command->add_option("--queries", arguments->queries, "How many to time")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{100000000}))
      ->capture_default_str();
  command->add_option("-k", arguments->k, "Number of documents, 1 to 1024")->capture_default_str();
  command->add_option("--kind", arguments->kind,
                      "exact, int8, hnsw, ivfpq, bm25 or hybrid (default: the pool's)");
  add_search_flags(*command, arguments->search);
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
