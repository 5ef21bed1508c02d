#include "launch/commands/bench_hnsw.hpp"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "base/atomic_file.hpp"
#include "launch/hnsw_bench.hpp"
#include "launch/rival.hpp"

namespace rookery::launch {
namespace {

using Json = nlohmann::json;

struct Arguments {
  HnswBenchOptions options;
  std::string json;
};

std::string cell(const Json& holder, const char* key, const char* format) {
  if (!holder.contains(key) || holder[key].is_null()) return "-";
  char text[32];
  std::snprintf(text, sizeof text, format, holder[key].get<double>());
  return text;
}

void print_entry(const Json& entry) {
  std::printf(
      "\nbatch %d, %d thread%s: recall@k and ms a query; ratios at equal recall, above 1 "
      "we are faster\n",
      entry["batch"].get<int>(), entry["threads"].get<int>(), entry["threads"] == 1 ? "" : "s");
  std::printf(
      "  ef  float32        int8           faiss 1.7.3    faiss-cpu      float32 / "
      "faiss-cpu   int8 / faiss-cpu   float32 / 1.7.3\n");
  for (const Json& point : entry["points"]) {
    std::printf("%4d", point["ef_search"].get<int>());
    for (const char* name : {"float32", "int8", "faiss_1_7_3", "faiss_cpu"}) {
      const Json one = point.value(name, Json::object());
      std::printf("  %s %7s", cell(one, "recall", "%.4f").c_str(), cell(one, "ms", "%.3f").c_str());
    }
    std::printf("  %19s %18s %17s\n", cell(point["float32"], "ratio_to_faiss_cpu", "%.2f").c_str(),
                cell(point["int8"], "ratio_to_faiss_cpu", "%.2f").c_str(),
                cell(point["float32"], "ratio_to_faiss_1_7_3", "%.2f").c_str());
  }
}

void run(const Arguments& arguments) {
  const HnswBenchOptions& options = arguments.options;
  std::printf(
      "%s\n%lld vectors of %d, inner product, m %d, efConstruction %d, k %d, median of %d\n",
      machine_line().c_str(), static_cast<long long>(options.rows), options.dimension, options.m,
      options.ef_construction, options.k, options.repeat);
  Json result = measure_hnsw(
      options, [](const std::string& what) { std::fprintf(stderr, "%s …\n", what.c_str()); });
  std::printf("build with %d threads: %s s, faiss-cpu %s s\n", options.build_threads,
              cell(result["build"], "rookery_s", "%.1f").c_str(),
              cell(result["build"], "faiss_cpu_s", "%.1f").c_str());
  for (const Json& entry : result["results"]) print_entry(entry);
  if (arguments.json.empty()) return;
  result["machine"] = machine_facts();
  result["rows"] = options.rows;
  result["dimension"] = options.dimension;
  result["m"] = options.m;
  result["ef_construction"] = options.ef_construction;
  result["k"] = options.k;
  result["repeat"] = options.repeat;
  base::write_file_atomically(arguments.json, result.dump(2) + "\n");
}

}  // namespace

void add_bench_hnsw(CLI::App& bench) {
  const auto arguments = std::make_shared<Arguments>();
  HnswBenchOptions& options = arguments->options;
  CLI::App* command =
      bench.add_subcommand("hnsw", "Recall and time of graph search, beside faiss's");
  command->add_option("--rows", options.rows, "Clustered vectors")
      ->check(CLI::Range(std::int64_t{1'000}, std::int64_t{10'000'000}))
      ->capture_default_str();
  command->add_option("--dim", options.dimension, "Of the vectors")
      ->check(CLI::Range(8, 4096))
      ->capture_default_str();
  command->add_option("--m", options.m, "Links a node and level; the papers used 64 and 128")
      ->check(CLI::Range(2, 512))
      ->capture_default_str();
  command->add_option("--ef-construction", options.ef_construction, "40 and 200 in the papers")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
  command->add_option("--ef-search", options.ef_search, "Points of the curve")
      ->delimiter(',')
      ->check(CLI::Range(1, 65'536))
      ->capture_default_str();
  command->add_option("--batch", options.batch, "Queries searched together")
      ->delimiter(',')
      ->check(CLI::Range(1, 128))
      ->capture_default_str();
  command->add_option("--threads", options.threads, "Each in turn, ours and the rivals'")
      ->delimiter(',')
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  command->add_option("--repeat", options.repeat, "Runs, of which the median is shown")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  command->add_option("-k", options.k, "Rows wanted")->check(CLI::Range(1, 1024));
  command->add_option("--json", arguments->json, "Write the figures to this file");
  command->footer(
      "faiss-cpu is measured where launch/setup --peers has installed it.\n"
      "Example: rookery bench hnsw --rows 50000 --json hnsw.json");
  command->callback([arguments] { run(*arguments); });
}

}  // namespace rookery::launch
