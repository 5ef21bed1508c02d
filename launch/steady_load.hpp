#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "retriever_pool/retriever.hpp"

namespace rookery::launch {

struct SteadyLoadOptions {
  std::int64_t queries = 2000;
  double rate_per_s =
      150;  ///< open loop: query i is due at begin + i / rate, however slow the answers are
  std::int32_t threads = 8;  ///< callers that share the queries
  std::int32_t k = 5;
  std::chrono::milliseconds deadline{5000};
};

struct SteadyLoadReport {
  std::int64_t sent = 0;
  std::int64_t lost =
      0;  ///< neither an answer nor an error by the deadline counts as an answer: every throw
  std::int64_t wrong = 0;  ///< ids or score bits differ from the oracle's
  std::vector<double>
      latency_ms;           ///< of each query from the moment it was due, in order of sending
  std::string first_fault;  ///< the message of the first lost one
};

/// Sends rows of `queries` (`[n, dimension]`, taken in turn) at a steady rate and compares every
/// answer with `oracle`'s, which is asked beforehand. `tick(done)` is called on the caller's thread
/// about ten times a second; it may kill things.
SteadyLoadReport run_steady_load(retriever_pool::Retriever& pool, retriever_pool::Retriever& oracle,
                                 std::span<const float> queries, const SteadyLoadOptions& options,
                                 const std::function<void(std::int64_t done)>& tick);

}  // namespace rookery::launch
