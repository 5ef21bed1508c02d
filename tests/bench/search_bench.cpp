// Milliseconds and GB/s of the exact scan, over random unit vectors.
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "base/thread_team.hpp"
#include "retriever_pool/exact_kernel.hpp"

namespace {

using namespace rookery;
using Clock = std::chrono::steady_clock;

struct Shape {
  std::int64_t rows;
  std::int32_t dimension;
};

std::vector<float> unit_vectors(std::int64_t rows, std::int32_t dimension) {
  std::mt19937 random(1);
  std::uniform_real_distribution<float> uniform(-1.0F, 1.0F);
  std::vector<float> vectors(static_cast<std::size_t>(rows * dimension));
  for (std::int64_t row = 0; row < rows; ++row) {
    float* v = vectors.data() + row * dimension;
    float squares = 0;
    for (std::int32_t i = 0; i < dimension; ++i) {
      v[i] = uniform(random);
      squares += v[i] * v[i];
    }
    const float scale = 1.0F / std::sqrt(squares);
    for (std::int32_t i = 0; i < dimension; ++i) v[i] *= scale;
  }
  return vectors;
}

double median_ms(int repeat, base::ThreadTeam& team, const retriever_pool::ScanRows& rows,
                 std::span<const float> queries, const retriever_pool::ScanOptions& options) {
  std::vector<double> times;
  for (int i = 0; i < repeat; ++i) {
    const auto begin = Clock::now();
    const int parts = team.size();
    team.run(parts, [&](int part) {
      const std::int64_t first = rows.count * part / parts;
      const std::int64_t last = rows.count * (part + 1) / parts;
      const retriever_pool::ScanRows slice{rows.vectors + first * rows.dimension, rows.ids + first,
                                           last - first, rows.dimension};
      (void)retriever_pool::scan_exact(slice, queries, options);
    });
    times.push_back(std::chrono::duration<double, std::milli>(Clock::now() - begin).count());
  }
  std::sort(times.begin(), times.end());
  return times[times.size() / 2];
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Exact scan: milliseconds and GB/s by shape, batch, threads and instruction set"};
  std::vector<std::string> shapes = {"12000x384", "200000x768"};
  std::vector<int> batches = {1, 8, 32}, thread_counts = {1, 2};
  int repeat = 15;
  std::string json_file;
  app.add_option("--shapes", shapes, "ROWSxDIMENSION")->delimiter(',');
  app.add_option("--batches", batches, "Queries a scan")->delimiter(',');
  app.add_option("--threads", thread_counts, "Search threads")->delimiter(',');
  app.add_option("--repeat", repeat, "Scans of which the median is shown");
  app.add_option("--json", json_file, "Write the figures to this file");
  CLI11_PARSE(app, argc, argv);

  nlohmann::json figures = nlohmann::json::array();
  std::printf("%-12s %-8s %7s %6s %10s %8s\n", "shape", "set", "threads", "batch", "ms", "GB/s");
  for (const std::string& text : shapes) {
    Shape shape{};
    long long rows = 0;
    if (std::sscanf(text.c_str(), "%lldx%d", &rows, &shape.dimension) != 2) {
      std::fprintf(stderr, "--shapes: expected ROWSxDIMENSION, got '%s'\n", text.c_str());
      return 2;
    }
    shape.rows = rows;
    const auto vectors = unit_vectors(shape.rows, shape.dimension);
    std::vector<std::int64_t> ids(static_cast<std::size_t>(shape.rows));
    for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<std::int64_t>(i);
    const auto queries =
        unit_vectors(*std::max_element(batches.begin(), batches.end()), shape.dimension);
    for (const auto set : retriever_pool::usable_instruction_sets()) {
      if (set == retriever_pool::InstructionSet::kPlain && shape.rows > 20000) continue;  // minutes
      for (const int threads : thread_counts) {
        base::ThreadTeam team(threads);
        for (const int batch : batches) {
          retriever_pool::ScanOptions options;
          options.instructions = set;
          const auto part = std::span(queries).first(static_cast<std::size_t>(batch) *
                                                     static_cast<std::size_t>(shape.dimension));
          const double ms =
              median_ms(set == retriever_pool::InstructionSet::kPlain ? 1 : repeat, team,
                        {vectors.data(), ids.data(), shape.rows, shape.dimension}, part, options);
          const double gb = static_cast<double>(vectors.size()) * 4e-9 / (ms / 1000);
          std::printf("%-12s %-8s %7d %6d %10.3f %8.1f\n", text.c_str(),
                      retriever_pool::to_string(set).c_str(), threads, batch, ms, gb);
          figures.push_back({{"shape", text},
                             {"set", retriever_pool::to_string(set)},
                             {"threads", threads},
                             {"batch", batch},
                             {"ms", ms},
                             {"gb_per_s", gb}});
        }
      }
    }
  }
  if (!json_file.empty()) std::ofstream(json_file) << figures.dump(2) << "\n";
  return 0;
}
