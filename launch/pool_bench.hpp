#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>

namespace rookery::launch {

/// What `rookery bench pool` measures.
struct PoolBenchOptions {
  std::int32_t dimension = 768;
  std::int32_t calls = 2000;          ///< of the overhead, for each transport
  std::int64_t overhead_rows = 1000;  ///< of the index whose search the overhead is taken beside
  std::int64_t rows = 100'000;        ///< of the index that clients share
  std::int32_t clients = 4;           ///< each with 8 queries at a time
  int threads = 2;                    ///< of the search, ours and the rivals'
  double seconds = 2;                 ///< of each turn of the throughputs
  std::int32_t repeat = 3;            ///< turns
  std::uint64_t seed = 1;
};

/// Calls of 8 queries for ids and scores of 5 documents, over real sockets in this process:
/// `overhead_{ipc,tcp}_us_p50` and `_p99` (a call less its search; raw ZeroMQ with messages of the
/// same sizes in turns with it), `merged_speedup` (queries a second of the clients together, over
/// those of as many processes that search by faiss-cpu at its defaults; null without it) and
/// `saturation_share` (of what a loop over the same kernel does alone). `say` is told what is being
/// measured. Throws `UserError`.
nlohmann::json measure_pool(const PoolBenchOptions& options,
                            const std::function<void(const std::string&)>& say);

}  // namespace rookery::launch
