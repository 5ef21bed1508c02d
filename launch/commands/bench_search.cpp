#include "launch/commands/bench_search.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "base/atomic_file.hpp"
#include "launch/rival.hpp"
#include "launch/search_contest.hpp"

namespace rookery::launch {
namespace {

using Json = nlohmann::json;

struct SearchArguments {
  SearchContestOptions contest;
  std::string json;
};

std::string cell(const Json& value) {
  if (value.is_null()) return "-";
  char text[32];
  std::snprintf(text, sizeof text, "%.2f", value.get<double>());
  return text;
}

void run(const SearchArguments& arguments) {
  const SearchContestOptions& contest = arguments.contest;
  std::printf("%s\n%lld x %d, inner product, best 5; ms a batch, median of %d\n",
              machine_line().c_str(), static_cast<long long>(contest.rows), contest.dimension,
              contest.repeat);
  const Json results = run_search_contest(contest);
  std::printf("%7s %6s %9s %9s %9s %9s %14s %11s %10s %7s %6s\n", "threads", "batch", "float",
              "int8", "one pass", "FLOPs", "faiss default", "faiss best", "faiss-cpu", "bound",
              "equal");
  for (const Json& row : results) {
    const double bound = std::max(row["pass_ms"].get<double>(), row["flop_ms"].get<double>());
    std::printf("%7d %6d %9s %9s %9s %9s %14s %11s %10s %6.2fx %6s\n", row["threads"].get<int>(),
                row["batch"].get<int>(), cell(row["float_ms"]).c_str(),
                cell(row["int8_ms"]).c_str(), cell(row["pass_ms"]).c_str(),
                cell(row["flop_ms"]).c_str(), cell(row["faiss_default_ms"]).c_str(),
                cell(row["faiss_best_ms"]).c_str(), cell(row["faiss_cpu_best_ms"]).c_str(),
                row["float_ms"].get<double>() / std::max(bound, 1e-9),
                row["equal"].get<bool>() ? "yes" : "NO");
  }
  std::printf("bound: float beside the greater of one pass and the FLOPs\n");
  if (arguments.json.empty()) return;
  const Json report = {{"machine", machine_facts()},     {"rows", contest.rows},
                       {"dimension", contest.dimension}, {"repeat", contest.repeat},
                       {"seed", contest.seed},           {"results", results}};
  base::write_file_atomically(arguments.json, report.dump(2) + "\n");
}

}  // namespace

void add_bench_search(CLI::App& bench) {
  const auto arguments = std::make_shared<SearchArguments>();  // lives as long as the callback
  SearchContestOptions& contest = arguments->contest;
  CLI::App* command = bench.add_subcommand(
      "search", "Exact search in float and int8, beside faiss and the bounds of this machine");
  command->add_option("--rows", contest.rows, "Random vectors of length 1")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1} << 28))
      ->capture_default_str();
  command->add_option("--dim", contest.dimension, "Numbers a vector")
      ->check(CLI::Range(1, 8192))
      ->capture_default_str();
  command->add_option("--batch", contest.batches, "Queries a search, each in turn")
      ->delimiter(',')
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  command->add_option("--threads", contest.threads, "Each in turn, ours and the rivals'")
      ->delimiter(',')
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  command->add_option("--repeat", contest.repeat, "Runs, of which the median is shown")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  command->add_option("--seed", contest.seed, "Of the vectors")->capture_default_str();
  command->add_option("--json", arguments->json, "Write the figures to this file");
  command->footer(
      "Example: rookery bench search --batch 1,8,32,128 --threads 1,2 --json search.json");
  command->callback([arguments] { run(*arguments); });
}

}  // namespace rookery::launch
