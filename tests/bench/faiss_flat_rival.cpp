// faiss 1.7.3's IndexFlatIP, as a rival of `rookery bench search`: the twin of
// rivals/faiss_flat.py, with the same requests and answers.
#include <faiss/IndexFlat.h>
#include <faiss/utils/distances.h>
#include <omp.h>

#include <algorithm>
#include <chrono>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "index_tools/npy_file.hpp"

extern "C" void openblas_set_num_threads(int threads);

namespace {

using Json = nlohmann::json;

std::vector<float> load(const rookery::index_tools::NpyFile& file) {
  const auto width = static_cast<std::size_t>(file.columns());
  std::vector<float> values(static_cast<std::size_t>(file.rows()) * width);
  for (std::int64_t row = 0; row < file.rows(); ++row) {
    file.copy_row(row, std::span(values).subspan(static_cast<std::size_t>(row) * width, width));
  }
  return values;
}

struct Setting {
  int threshold, threads;
  std::int64_t padded;
};

class Searcher {
 public:
  explicit Searcher(const std::string& folder)
      : file_(folder + "/vectors.npy"),
        index_(file_.columns()),
        queries_(load(rookery::index_tools::NpyFile(folder + "/queries.npy"))) {
    index_.add(file_.rows(), load(file_).data());
  }

  Json answer(const Json& request) {
    const std::int64_t batch = request.at("batch");
    const int threads = request.at("threads");
    if (request.at("mode") == "default") {
      return {{"ms", timed(batch, {default_, threads, 0}, 1)}, {"version", "1.7.3"}};
    }
    const auto key = std::make_pair(batch, threads);
    if (!best_.contains(key)) {
      double least = 0;
      for (const Setting& setting :
           {Setting{1, 1, 0}, Setting{1, threads, 0}, Setting{1, 1, 16}, Setting{1, threads, 16},
            Setting{1 << 30, 1, 0}, Setting{1 << 30, threads, 0}}) {
        double ms = timed(batch, setting, 1);
        if (!best_.contains(key) || ms < 2 * least) ms = std::min(ms, timed(batch, setting, 2));
        if (best_.contains(key) && ms >= least) continue;
        least = ms;
        best_[key] = setting;
      }
    }
    return {{"ms", timed(batch, best_[key], 1)}, {"version", "1.7.3"}};
  }

 private:
  double timed(std::int64_t batch, const Setting& setting, int repeat) {
    faiss::distance_compute_blas_threshold = setting.threshold;
    omp_set_num_threads(setting.threads);
    openblas_set_num_threads(setting.threads);
    const std::int64_t count = std::max(batch, setting.padded);
    std::vector<float> scores(static_cast<std::size_t>(count) * 5);
    std::vector<faiss::Index::idx_t> ids(scores.size());
    double least = 1e300;
    for (int run = 0; run < repeat; ++run) {
      const auto begin = std::chrono::steady_clock::now();
      index_.search(count, queries_.data(), 5, scores.data(), ids.data());
      const std::chrono::duration<double, std::milli> took =
          std::chrono::steady_clock::now() - begin;
      least = std::min(least, took.count());
    }
    return least;
  }

  rookery::index_tools::NpyFile file_;
  faiss::IndexFlatIP index_;
  std::vector<float> queries_;
  int default_ = faiss::distance_compute_blas_threshold;
  std::map<std::pair<std::int64_t, int>, Setting> best_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  Searcher searcher(argv[1]);
  std::cout << "ready\n" << std::flush;
  for (std::string line; std::getline(std::cin, line);) {
    Json reply;
    try {
      reply = searcher.answer(Json::parse(line));
    } catch (const std::exception& error) {
      reply = {{"error", error.what()}};
    }
    std::cout << reply.dump() << "\n" << std::flush;
  }
}
