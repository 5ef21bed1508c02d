#include "launch/commands/bench_tail.hpp"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "base/atomic_file.hpp"
#include "launch/rival.hpp"
#include "launch/tail_bench.hpp"

namespace rookery::launch {
namespace {

using Json = nlohmann::json;

struct Arguments {
  TailBenchOptions options;
  std::string json;
};

double number(const Json& result, const char* key) { return result.at(key).get<double>(); }

void print(const TailBenchOptions& options, const Json& result) {
  std::printf(
      "%d replicas, %.0f calls a second of %.0f; in all rows but the first one replica "
      "takes %.0f times as long\n",
      options.replicas, number(result, "rate_per_s"), number(result, "capacity_per_s"),
      options.slowness);
  std::printf(
      "milliseconds                        p50      p99    p99.9   p99 / healthy   copies\n");
  constexpr std::pair<const char*, const char*> kNames[] = {
      {"healthy", "healthy"},
      {"hedged", "slow"},
      {"choice", "slow, no hedges, no ejection"},
      {"plain", "slow, and random choice"}};
  for (const auto& [key, name] : kNames) {
    const Json& row = result.at("rows").at(key);
    std::printf("%-28s   %8.2f %8.2f %8.2f   %12.2f×   %5.1f%%\n", name, number(row, "p50_ms"),
                number(row, "p99_ms"), number(row, "p999_ms"), number(row, "p99_ratio"),
                100 * number(row, "extra_load"));
  }
  std::printf("lost %.0f, wrong %.0f\n", number(result, "lost"), number(result, "wrong"));
}

void run(const Arguments& arguments) {
  const TailBenchOptions& options = arguments.options;
  std::printf("%s\n", machine_line().c_str());
  Json result = measure_tail(
      options, [](const std::string& what) { std::fprintf(stderr, "%s …\n", what.c_str()); });
  print(options, result);
  if (arguments.json.empty()) return;
  result["machine"] = machine_facts();
  result["index_rows"] = options.rows;
  result["dimension"] = options.dimension;
  result["replicas"] = options.replicas;
  result["slowness"] = options.slowness;
  result["turns"] = options.repeat;
  result["seconds"] = options.seconds;
  base::write_file_atomically(arguments.json, result.dump(2) + "\n");
}

}  // namespace

void add_bench_tail(CLI::App& bench) {
  const auto arguments = std::make_shared<Arguments>();
  TailBenchOptions& options = arguments->options;
  CLI::App* command =
      bench.add_subcommand("tail", "The slowest calls while one of a shard's replicas is slow");
  command->add_option("--rows", options.rows, "Vectors of the shard that all replicas hold")
      ->check(CLI::Range(std::int64_t{100}, std::int64_t{10'000'000}))
      ->capture_default_str();
  command->add_option("--dim", options.dimension, "Of the vectors")
      ->check(CLI::Range(8, 4096))
      ->capture_default_str();
  command->add_option("--replicas", options.replicas, "Of the shard")
      ->check(CLI::Range(2, 16))
      ->capture_default_str();
  command->add_option("--load", options.load, "Share of the capacity that is asked for")
      ->check(CLI::Range(0.01, 0.95))
      ->capture_default_str();
  command->add_option("--slowness", options.slowness, "Times that the slow replica takes as long")
      ->check(CLI::Range(1.0, 1000.0))
      ->capture_default_str();
  command->add_option("--seconds", options.seconds, "Of each row and turn")
      ->check(CLI::Range(0.1, 600.0))
      ->capture_default_str();
  command->add_option("--repeat", options.repeat, "Turns, of which the median is shown")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  command->add_option("--json", arguments->json, "Write the figures to this file");
  command->footer("Example: rookery bench tail --json tail.json");
  command->callback([arguments] { run(*arguments); });
}

}  // namespace rookery::launch
