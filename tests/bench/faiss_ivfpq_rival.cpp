// faiss 1.7.3 over an IVF-PQ file, as a rival of `rookery bench ivfpq`: the twin of
// rivals/faiss_ivfpq.py, with the same requests and answers.
#include <faiss/IndexFlat.h>
#include <faiss/IndexIVFPQ.h>
#include <faiss/IndexRefine.h>
#include <faiss/index_io.h>
#include <omp.h>

#include <algorithm>
#include <chrono>
#include <iostream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <tuple>
#include <vector>

#include "index_tools/npy_file.hpp"

namespace {

using Json = nlohmann::json;

std::vector<float> load(const std::string& path) {
  const rookery::index_tools::NpyFile file(path);
  const auto width = static_cast<std::size_t>(file.columns());
  std::vector<float> values(static_cast<std::size_t>(file.rows()) * width);
  for (std::int64_t row = 0; row < file.rows(); ++row) {
    file.copy_row(row, std::span(values).subspan(static_cast<std::size_t>(row) * width, width));
  }
  return values;
}

class Searcher {
 public:
  explicit Searcher(const std::string& folder)
      : loaded_(faiss::read_index((folder + "/index.faiss").c_str())),
        index_(dynamic_cast<faiss::IndexIVFPQ&>(*loaded_)),
        flat_(index_.d, index_.metric_type),
        queries_(load(folder + "/queries.npy")) {
    const std::vector<float> vectors = load(folder + "/vectors.npy");
    flat_.add(std::ssize(vectors) / index_.d, vectors.data());
    refined_ = std::make_unique<faiss::IndexRefine>(&index_, &flat_);
    refined_->k_factor = 10;
  }

  Json answer(const Json& request) {
    index_.nprobe = request.at("nprobe").get<std::size_t>();
    const std::int64_t batch = request.at("batch");
    const bool refine = request.at("refine"), timed = request.at("time");
    const std::int64_t all = std::ssize(queries_) / index_.d;
    const auto key = std::make_tuple(index_.nprobe, batch, refine);
    std::vector<faiss::Index::idx_t> ids;
    if (!modes_.contains(key)) {
      double best = 0;
      for (const int mode : {0, 1}) {
        index_.parallel_mode = mode;
        double least = 1e9;
        for (int run = 0; run < 3; ++run) {
          least = std::min(least, search(std::min<std::int64_t>(64, all), batch, refine, ids));
        }
        if (mode == 0 || least < best) {
          best = least;
          modes_[key] = mode;
        }
      }
    }
    index_.parallel_mode = modes_[key];
    const std::int64_t count =
        timed ? std::min(all, std::max<std::int64_t>(batch, request.at("queries"))) : all;
    const double ms = search(count, batch, refine, ids);
    Json rows = Json::array();
    if (!timed) {
      for (std::int64_t q = 0; q < count; ++q) {
        rows.push_back(std::vector<std::int64_t>(ids.begin() + q * 5, ids.begin() + (q + 1) * 5));
      }
    }
    return {{"ms", ms}, {"ids", std::move(rows)}, {"version", "1.7.3"}};
  }

 private:
  double search(std::int64_t count, std::int64_t batch, bool refine,
                std::vector<faiss::Index::idx_t>& ids) {
    ids.resize(static_cast<std::size_t>(count) * 5);
    std::vector<float> scores(ids.size());
    const faiss::Index& searched = refine ? static_cast<const faiss::Index&>(*refined_) : index_;
    const auto begin = std::chrono::steady_clock::now();
    for (std::int64_t at = 0; at < count; at += batch) {
      searched.search(std::min(batch, count - at), queries_.data() + at * index_.d, 5,
                      scores.data() + at * 5, ids.data() + at * 5);
    }
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - begin;
    return took.count() / static_cast<double>(count);
  }

  std::unique_ptr<faiss::Index> loaded_;
  faiss::IndexIVFPQ& index_;
  faiss::IndexFlat flat_;
  std::unique_ptr<faiss::IndexRefine> refined_;
  std::vector<float> queries_;
  std::map<std::tuple<std::size_t, std::int64_t, bool>, int> modes_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  if (const char* threads = std::getenv("OMP_NUM_THREADS")) {
    omp_set_num_threads(std::atoi(threads));
  }
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
