#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include "index_tools/npy_file.hpp"

namespace rookery::launch {

/// What all contestants of `rookery bench blog` search and ask: clustered vectors from a seed, on
/// disk once and shared by all, as snapshots for ours and as `vectors.npy` for Python.
class BlogData {
 public:
  static constexpr std::int32_t kDocuments = 5;
  static constexpr std::int32_t kBatch = 8;
  static constexpr std::int64_t kQueries = 2048;  ///< then they come round again

  struct Options {
    std::filesystem::path folder;
    std::int64_t vectors = 50'000;
    std::int32_t dimension = 768;
    std::uint64_t seed = 1;
    int threads = 1;
    bool hnsw = false;  ///< the snapshot of one shard gets a graph too
  };
  explicit BlogData(const Options& options);

  [[nodiscard]] std::filesystem::path folder() const { return options_.folder; }
  [[nodiscard]] std::filesystem::path queries() const { return options_.folder / "queries.npy"; }
  [[nodiscard]] std::int64_t vectors() const { return options_.vectors; }
  [[nodiscard]] std::int32_t dimension() const { return options_.dimension; }
  /// The snapshot in so many shards, each with int8 codes; built when it is first asked for.
  std::filesystem::path snapshot(std::int32_t shards);
  [[nodiscard]] double megabytes() const;

  /// Of what one rank got for the queries of these rows: the share of the true best 5 among the
  /// ids. Throws `UserError` when a vector that came back is not that of its id, or its ends are
  /// missing.
  double recall(const std::vector<std::int64_t>& query_rows, const std::vector<std::int64_t>& ids,
                const std::vector<float>& ends);

  /// Milliseconds that `queries` queries take at the machine's peak of multiplications, and one
  /// pass over the vectors that only loads.
  struct Bounds {
    double gflops = 0, pass_ms = 0;
  };
  Bounds bounds(int threads);

 private:
  void find_best();

  Options options_;
  std::map<std::int32_t, std::filesystem::path> snapshots_;
  // Its own file: a mapping of the snapshot here would take its share of the contestants' memory.
  std::unique_ptr<index_tools::NpyFile> vectors_;
  std::vector<std::set<std::int64_t>> best_;  // the true best ids, by query row
};

}  // namespace rookery::launch
