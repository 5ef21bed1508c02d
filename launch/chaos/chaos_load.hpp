#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "launch/chaos/call_history.hpp"
#include "retriever_pool/retriever.hpp"

namespace rookery::launch {

/// A small snapshot of random rows (`[rows, dimension]`, made from the seed), with texts that tell
/// which row and generation they belong to.
struct ChaosCorpus {
  std::int64_t rows = 8000;
  std::int32_t dimension = 768, shards = 2;
  std::vector<std::string> indexes = {};  ///< further kinds, as for `index build --index`
};
/// Writes one generation into `name`, another one for another `seed`; returns the generation's
/// name.
std::string write_chaos_snapshot(const std::filesystem::path& name, const ChaosCorpus& corpus,
                                 std::uint64_t seed);
std::vector<float> chaos_vector(std::int64_t row, std::int32_t dimension, std::uint64_t seed);

/// Knows every right answer: a brute-force search in double precision over the same rows, written
/// down with the score bits that law 1 demands of every exact search. Reading is thread-safe.
class ChaosOracle {
 public:
  ChaosOracle(std::int32_t queries, std::int32_t k, std::int32_t dimension, std::uint64_t seed);
  /// Throws `std::runtime_error` when the two ways to the right answer disagree.
  void add(const std::filesystem::path& snapshot, const ChaosCorpus& corpus, std::uint64_t seed);
  [[nodiscard]] std::int32_t queries() const { return static_cast<std::int32_t>(count_); }
  [[nodiscard]] std::int32_t k() const { return k_; }
  [[nodiscard]] std::vector<float> query(std::size_t index) const;
  [[nodiscard]] CallOutcome judge(std::size_t query,
                                  const retriever_pool::RetrievalAnswer& answer) const;

 private:
  using Row = std::vector<retriever_pool::Document>;
  std::size_t count_, dimension_;
  std::int32_t k_;
  std::vector<float> queries_;
  std::map<std::string, std::vector<Row>> expected_;  // by generation
};

struct ChaosLoadOptions {
  double rate_per_s = 100;   ///< of all clients together
  std::int32_t threads = 8;  ///< callers a client
  std::chrono::milliseconds deadline{2000};
};

/// Clients that ask at a steady rate whatever happens (open loop), and write every call down.
class ChaosLoad {
 public:
  using Clients = std::vector<std::shared_ptr<retriever_pool::Retriever>>;
  ChaosLoad(Clients clients, const ChaosOracle& oracle, const ChaosLoadOptions& options);
  ~ChaosLoad();
  [[nodiscard]] double now() const;                     ///< seconds since it began
  [[nodiscard]] std::vector<CallRecord> calls() const;  ///< done so far, in the order they ended
  /// The same, and forgets them: for loads that run for hours.
  [[nodiscard]] std::vector<CallRecord> take_calls();
  /// Stops asking and waits for the calls that are out, up to their deadline and 10 s. Returns how
  /// many have not come back by then: they are lost.
  std::int64_t stop();
  [[nodiscard]] std::int64_t started() const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;  // shared with the callers: one that hangs keeps it
};

/// Queries a second that the clients get through in a closed loop for `time`.
double measure_capacity(const ChaosLoad::Clients& clients, const ChaosOracle& oracle,
                        std::int32_t threads, std::chrono::milliseconds time);

}  // namespace rookery::launch
