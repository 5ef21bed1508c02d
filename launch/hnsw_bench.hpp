#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

namespace rookery::launch {

struct HnswBenchOptions {
  std::int64_t rows = 50'000;
  std::int32_t dimension = 768, m = 32, ef_construction = 200, k = 5;
  std::vector<std::int32_t> ef_search = {16, 32, 64, 128, 256};
  std::vector<std::int32_t> batch = {1, 32};
  std::vector<int> threads = {1, 2};
  int repeat = 9;
  int build_threads = 2;
};

/// Recall@k and milliseconds a query at one ef_search.
struct RecallPoint {
  double recall = 0, ms = 0;
};
/// The milliseconds at which a curve reaches `recall`, between its points by a straight line; its
/// first point where that is above. Nothing when it never does.
std::optional<double> ms_at_recall(const std::vector<RecallPoint>& curve, double recall);

/// Our search (float32 and int8 storage), faiss 1.7.3's over the same graph, and faiss-cpu's over
/// its own of the same parameters, on clustered unit vectors, inner product.
/// `tell` hears what is going on. Blocks for minutes.
nlohmann::json measure_hnsw(const HnswBenchOptions& options,
                            const std::function<void(const std::string&)>& tell);

}  // namespace rookery::launch
