#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <vector>

namespace rookery::launch {

/// What `rookery bench search` measures.
struct SearchContestOptions {
  std::int64_t rows = 200'000;
  std::int32_t dimension = 768;
  std::vector<std::int32_t> batches = {1, 8, 32, 128};
  std::vector<int> threads = {1, 2};
  int repeat = 9;
  std::uint64_t seed = 1;
};

/// Exact search of the best 5 over random vectors of length 1 (the hardest case for int8), in float
/// and through int8, beside faiss 1.7.3 and faiss-cpu where they are installed, and beside what the
/// machine could do at best: one pass of loads over the same mapped file, and its peak of
/// multiplications and additions. All take turns; milliseconds a batch, medians. The result is an
/// array of objects, one a setting; a rival that is not there has null fields. Throws `UserError`.
nlohmann::json run_search_contest(const SearchContestOptions& options);

}  // namespace rookery::launch
