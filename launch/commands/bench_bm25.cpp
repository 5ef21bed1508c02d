#include "launch/commands/bench_bm25.hpp"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "base/atomic_file.hpp"
#include "launch/bm25_bench.hpp"
#include "launch/rival.hpp"

namespace rookery::launch {
namespace {

using Json = nlohmann::json;

std::string cell(const Json& value, const char* format) {
  if (value.is_null()) return "-";
  char text[32];
  std::snprintf(text, sizeof text, format, value.get<double>());
  return text;
}

void run(const Bm25BenchOptions& options, const std::string& json) {
  const Json report = run_bm25_bench(options);
  std::printf("%s\n%lld passages of %.1f terms, %lld different ones, %lld queries, one thread\n",
              machine_line().c_str(), report["passages"].get<long long>(),
              report["words_mean"].get<double>(), report["vocabulary"].get<long long>(),
              report["queries"].get<long long>());
  const auto size = [](const Json& built) {
    std::printf("%-14s built in %.2f s, %.1f MB", built.value("backend", "rookery").c_str(),
                built["build_s"].get<double>(), built["bytes"].get<double>() / 1e6);
  };
  size(report);
  std::printf(", opened in %.3f s\n", report["open_s"].get<double>());
  for (const Json& rival : report["rivals"]) {
    size(rival);
    std::printf(" (without analysis)\n");
  }
  std::printf("ms a query    k   median      p95   search only   times faster   score differs\n");
  for (const Json& result : report["results"]) {
    for (const std::string name : {"", "numba_", "numpy_"}) {
      const std::string backend = name.empty() ? "rookery" : name.substr(0, 5);
      std::printf("%-10s %4d %8s %8s %13s %14s %15s\n", backend.c_str(), result["k"].get<int>(),
                  cell(result[name + "ms_median"], "%.4f").c_str(),
                  cell(result[name + "ms_p95"], "%.4f").c_str(),
                  cell(result[name + "search_ms_median"], "%.4f").c_str(),
                  name.empty() ? "" : cell(result["ratio_" + backend], "%.2f").c_str(),
                  backend != "numba" ? "" : cell(result["largest_difference"], "%.1e").c_str());
    }
  }
  if (!json.empty()) base::write_file_atomically(json, report.dump(2) + "\n");
}

}  // namespace

void add_bench_bm25(CLI::App& bench) {
  struct Arguments {
    Bm25BenchOptions options;
    std::string json;
  };
  const auto arguments = std::make_shared<Arguments>();
  Bm25BenchOptions& options = arguments->options;
  CLI::App* command =
      bench.add_subcommand("bm25", "Text queries on passages of random sentences, beside bm25s");
  command->add_option("--corpus", options.corpus, "What `index build` takes, or the word wiki")
      ->capture_default_str();
  command->add_option("--questions", options.questions,
                      "A question file; else short descriptions, or words, of the corpus");
  command->add_option("--passages", options.passages, "Put together of the corpus's sentences")
      ->check(CLI::Range(1, 10'000'000))
      ->capture_default_str();
  command->add_option("--queries", options.queries, "Different ones")
      ->check(CLI::Range(1, 100'000))
      ->capture_default_str();
  command->add_option("-k", options.ks, "Documents a query, each in turn")
      ->delimiter(',')
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  command->add_option("--k1", options.k1, "Of the formula")->capture_default_str();
  command->add_option("--b", options.b, "Of the formula")->capture_default_str();
  command->add_option("--repeat", options.repeat, "Runs over all queries")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  command->add_option("--json", arguments->json, "Write the figures to this file");
  command->footer(
      "bm25s is measured where launch/setup --peers has installed it.\n"
      "Example: rookery bench bm25 --passages 200000 --json bm25.json");
  command->callback([arguments] { run(arguments->options, arguments->json); });
}

}  // namespace rookery::launch
