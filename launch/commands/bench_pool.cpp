#include "launch/commands/bench_pool.hpp"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "base/atomic_file.hpp"
#include "launch/pool_bench.hpp"
#include "launch/rival.hpp"

namespace rookery::launch {
namespace {

using Json = nlohmann::json;

struct Arguments {
  PoolBenchOptions options;
  std::string json;
};

double number(const Json& result, const std::string& key) { return result.at(key).get<double>(); }

void print(const PoolBenchOptions& options, const Json& result) {
  std::printf("a call of 8 queries less its search, microseconds\n");
  std::printf("       pool p50     p99   raw ZeroMQ p50     p99   search p50\n");
  for (const std::string transport : {"ipc", "tcp"}) {
    const auto figure = [&](const char* what, const char* share) {
      return number(result, what + transport + "_us_" + share);
    };
    std::printf("%s   %10.1f %7.1f   %14.1f %7.1f   %10.1f\n", transport.c_str(),
                figure("overhead_", "p50"), figure("overhead_", "p99"), figure("raw_", "p50"),
                figure("raw_", "p99"), figure("search_", "p50"));
  }
  std::printf("\n%d clients × 8 queries over %lld vectors, queries a second\n", options.clients,
              static_cast<long long>(options.rows));
  std::printf("pool, merged            %10.0f\n", number(result, "pool_queries_per_s"));
  if (result.at("merged_speedup").is_null()) {
    std::printf("faiss-cpu, each alone            -   (launch/setup --peers installs it)\n");
  } else {
    std::printf("faiss-cpu, each alone   %10.0f   %.1f×\n", number(result, "faiss_queries_per_s"),
                number(result, "merged_speedup"));
  }
  std::printf("loop over the kernel    %10.0f\n", number(result, "loop_queries_per_s"));
  std::printf("pool, saturated         %10.0f   %.0f %%\n",
              number(result, "saturated_queries_per_s"), 100 * number(result, "saturation_share"));
}

void run(const Arguments& arguments) {
  const PoolBenchOptions& options = arguments.options;
  std::printf("%s\n", machine_line().c_str());
  Json result = measure_pool(
      options, [](const std::string& what) { std::fprintf(stderr, "%s …\n", what.c_str()); });
  print(options, result);
  if (arguments.json.empty()) return;
  result["machine"] = machine_facts();
  result["rows"] = options.rows;
  result["overhead_rows"] = options.overhead_rows;
  result["dimension"] = options.dimension;
  result["clients"] = options.clients;
  result["threads"] = options.threads;
  result["calls"] = options.calls;
  base::write_file_atomically(arguments.json, result.dump(2) + "\n");
}

}  // namespace

void add_bench_pool(CLI::App& bench) {
  const auto arguments = std::make_shared<Arguments>();
  PoolBenchOptions& options = arguments->options;
  CLI::App* command =
      bench.add_subcommand("pool", "What the pool adds to a search, and what merging wins");
  command->add_option("--calls", options.calls, "Of the overhead, for each transport")
      ->check(CLI::Range(10, 10'000'000))
      ->capture_default_str();
  command->add_option("--rows", options.rows, "Vectors that the clients search together")
      ->check(CLI::Range(std::int64_t{1'000}, std::int64_t{10'000'000}))
      ->capture_default_str();
  command->add_option("--dim", options.dimension, "Of the vectors")
      ->check(CLI::Range(8, 4096))
      ->capture_default_str();
  command->add_option("--clients", options.clients, "With 8 queries at a time each")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  command->add_option("--threads", options.threads, "Of the search, ours and the rivals'")
      ->check(CLI::Range(1, 256))
      ->capture_default_str();
  command->add_option("--seconds", options.seconds, "Of each turn of the throughputs")
      ->check(CLI::Range(0.05, 600.0))
      ->capture_default_str();
  command->add_option("--repeat", options.repeat, "Turns, of which the median is shown")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  command->add_option("--json", arguments->json, "Write the figures to this file");
  command->footer(
      "faiss-cpu is measured where launch/setup --peers has installed it.\n"
      "Example: rookery bench pool --json pool.json");
  command->callback([arguments] { run(*arguments); });
}

}  // namespace rookery::launch
