#include "launch/commands/bench_ivfpq.hpp"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "base/atomic_file.hpp"
#include "launch/ivfpq_contest.hpp"
#include "launch/rival.hpp"

namespace rookery::launch {
namespace {

using Json = nlohmann::json;

struct IvfPqArguments {
  IvfPqContestOptions contest;
  std::string json;
};

std::string cell(const Json& value, const char* format) {
  if (value.is_null()) return "-";
  char text[32];
  std::snprintf(text, sizeof text, format, value.get<double>());
  return text;
}

void print_row(const Json& row, const std::string& name, const std::string& prefix) {
  std::printf(
      "%-12s %7d %6d %7d %10s %8s %12s %8s %7s\n", name.c_str(), row["threads"].get<int>(),
      row["batch"].get<int>(), row["nprobe"].get<int>(), cell(row[prefix + "ms"], "%.4f").c_str(),
      cell(row[prefix + "recall"], "%.4f").c_str(), cell(row[prefix + "codes_ms"], "%.4f").c_str(),
      cell(row[prefix + "codes_recall"], "%.4f").c_str(),
      prefix.empty() ? "" : cell(row[prefix + "ratio"], "%.2f").c_str());
}

void run(const IvfPqArguments& arguments) {
  const IvfPqContestOptions& contest = arguments.contest;
  std::printf("%s\n%lld x %d, IVF%d,PQ%d, inner product; ms a query, median of %d; recall@5\n",
              machine_line().c_str(), static_cast<long long>(contest.rows), contest.dimension,
              contest.nlist, contest.pq_bytes, contest.repeat);
  Json report = run_ivfpq_contest(contest);
  std::printf("built in %.1f s, %.1f MB\n", report["build_seconds"].get<double>(),
              report["index_bytes"].get<double>() / 1e6);
  std::printf("%-12s %7s %6s %7s %10s %8s %12s %8s %7s\n", "", "threads", "batch", "nprobe",
              "5 of 50 ms", "recall", "codes only", "recall", "ratio");
  for (const Json& row : report["results"]) {
    print_row(row, "rookery", "");
    print_row(row, "faiss-cpu", "faiss_cpu_");
    print_row(row, "faiss 1.7.3", "faiss_1_7_3_");
  }
  if (arguments.json.empty()) return;
  report["machine"] = machine_facts();
  report["rows"] = contest.rows;
  report["dimension"] = contest.dimension;
  report["nlist"] = contest.nlist;
  report["pq_bytes"] = contest.pq_bytes;
  report["repeat"] = contest.repeat;
  report["seed"] = contest.seed;
  base::write_file_atomically(arguments.json, report.dump(2) + "\n");
}

}  // namespace

void add_bench_ivfpq(CLI::App& bench) {
  const auto arguments = std::make_shared<IvfPqArguments>();  // lives as long as the callback
  IvfPqContestOptions& contest = arguments->contest;
  CLI::App* command = bench.add_subcommand(
      "ivfpq", "Search of inverted lists with product codes, beside faiss over the same lists");
  command->add_option("--rows", contest.rows, "Rows of clustered vectors")
      ->check(CLI::Range(std::int64_t{256}, std::int64_t{1} << 28))
      ->capture_default_str();
  command->add_option("--dim", contest.dimension, "Numbers a vector")
      ->check(CLI::Range(8, 8192))
      ->capture_default_str();
  command->add_option("--nlist", contest.nlist, "Inverted lists")
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
  command->add_option("--pq-bytes", contest.pq_bytes, "Bytes of a code; divides --dim")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  command->add_option("--nprobe", contest.nprobes, "Lists that a query reads, each in turn")
      ->delimiter(',')
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
  command->add_option("--batch", contest.batches, "Queries a call, each in turn")
      ->delimiter(',')
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  command->add_option("--threads", contest.threads, "Each in turn, ours and the rivals'")
      ->delimiter(',')
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  command->add_option("--queries", contest.queries, "For recall")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1024}))
      ->capture_default_str();
  command->add_option("--repeat", contest.repeat, "Runs, of which the median is shown")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  command->add_option("--seed", contest.seed, "Of the vectors")->capture_default_str();
  command->add_option("--json", arguments->json, "Write the figures to this file");
  command->footer(
      "Training takes a minute at the default size; --rows 50000 --nlist 512 is quicker.\n"
      "Example: rookery bench ivfpq --json ivfpq.json");
  command->callback([arguments] { run(*arguments); });
}

}  // namespace rookery::launch
