#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>

#include "trainer/baseline_index.hpp"

namespace rookery::trainer {

/// One trainer of `rookery bench blog`: it retrieves when it is told to and says how long that
/// took. What it does between two retrievals is the benchmark's business, which is also the
/// barrier.
struct BenchTrainer {
  std::filesystem::path queries;  ///< an .npy file `[count, dimension]`
  std::int32_t rank = 0, ranks = 1;
  std::int32_t batch = 8;  ///< queries a step and rank
  std::int32_t k = 5;
};

/// Serves lines of JSON on standard input until it ends: `{"step": N, "compute_ms": 50}` retrieves
/// for the step's queries of this rank, then sleeps (the GPU's share of a step needs no core), and
/// answers `{"s": seconds}`; with `"check": true` also `ids` and the first and last float of every
/// vector (`ends`), to be compared with the oracle. The first line out is "ready". A failed
/// retrieval is answered with `{"error": …}` and ends it. Returns the exit code.
int serve_bench_steps(
    const BenchTrainer& trainer,
    const std::function<FoundDocuments(std::span<const float> queries, std::int32_t k)>& retrieve);

/// The queries of one step and rank: rows `[(step · ranks + rank) · batch, … + batch)`, modulo
/// count.
std::vector<std::int64_t> bench_rows(const BenchTrainer& trainer, std::int64_t step,
                                     std::int64_t count);

}  // namespace rookery::trainer
