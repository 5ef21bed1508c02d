#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <vector>

namespace rookery::launch {

/// What `rookery bench ivfpq` measures.
struct IvfPqContestOptions {
  std::int64_t rows = 200'000;
  std::int32_t dimension = 768, nlist = 1024, pq_bytes = 64;
  std::vector<std::int32_t> nprobes = {8, 32, 64}, batches = {1, 32};
  std::vector<int> threads = {1, 2};
  std::int64_t queries = 512;  ///< for recall; times are taken over the first 256
  int repeat = 9;
  std::uint64_t seed = 1;
};

/// Trains one index over clustered vectors of length 1, hands the same file to faiss 1.7.3 and to
/// faiss-cpu where they are installed, and measures all in turns: milliseconds a query (medians)
/// and recall@5 against exact search, by the codes alone and with 5 of 50 scored exactly. The
/// result is an array of objects, one a setting; a rival that is not there has null fields. Throws
/// `UserError`.
nlohmann::json run_ivfpq_contest(const IvfPqContestOptions& options);

}  // namespace rookery::launch
