#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/metrics.hpp"
#include "index_tools/snapshot.hpp"
#include "retriever_pool/curve_keys.hpp"
#include "retriever_pool/retriever.hpp"

namespace rookery::retriever_pool {

/// How one node serves its shard. The defaults suit one machine.
struct QueryServerOptions {
  std::string bind = "tcp://127.0.0.1:*";  ///< ZeroMQ endpoint, `*` takes a free port
  std::int32_t threads = 1;                ///< search threads, [1, 256]
  std::int32_t queue_requests_max = 256;   ///< further requests are refused at once
  std::int64_t queue_bytes_max = 64 << 20;
  std::int32_t batch_queries_max = 128;  ///< queries merged into one scan
  /// How long the first query of a scan waits for others to share it, while several clients are
  /// active; closed early by a full batch or a deadline. A lone client never waits.
  std::chrono::microseconds batch_window{1000};
  /// Share of the queue that each priority may fill, (0, 1], by `Priority`.
  std::array<double, kPriorities> priority_shares = {1.0, 0.75, 0.5};
  std::string metric = "inner_product";             ///< as in the manifest
  std::optional<index_tools::IndexKind> kind = {};  ///< of queries that name none; unset: exact
                                                    ///< where there are vectors, else bm25
  SearchTuning tuning = {};                         ///< where a query says 0
  PassageFilter filter = {};                        ///< holds for every query
  std::string index_name;  ///< queries for another index are refused; empty: any
  CurveServerKeys keys = {};
  base::Trace* trace = nullptr;  ///< outlives the server; null: nothing is traced
};

struct QueryServerLoad {
  std::int64_t queue = 0, served = 0, refused = 0;  ///< requests: waiting, answered, not answered
  std::int64_t queue_wait_us = 0;  ///< 95th percentile of the last seconds' requests; 0: none came
  /// From arrival to the end of the search, of the last seconds' requests; 0: none came.
  std::int64_t p50_us = 0, p99_us = 0;
};

/// Whether the search thread gets on with its work: what a watchdog compares from time to time.
struct SearchPulse {
  bool busy = false;                ///< a batch is searched, or requests wait
  std::int64_t batches = 0;         ///< done so far
  std::chrono::nanoseconds cpu{0};  ///< that the search thread has used
};

/// Serves one shard over a ROUTER socket, from threads of its own. Requests of different clients
/// that wait together are merged into one scan. Whatever a peer sends is checked and answered (law
/// 5). One thread owns the socket, one takes batches from the queue, `threads` - 1 more help it
/// scan.
class QueryServer {
 public:
  /// `metrics` outlives the server. Throws `UserError` when the endpoint cannot be bound, naming
  /// it, when the shard is unsound (see `make_exact_index`), the metric unknown or the kind not
  /// there, naming those that are.
  QueryServer(const QueryServerOptions& options,
              const std::shared_ptr<const index_tools::SnapshotShard>& shard,
              std::string generation, base::Metrics& metrics);
  ~QueryServer();  ///< Answers what is queued with "unavailable", closes the socket, joins.
  [[nodiscard]] std::string endpoint() const;
  [[nodiscard]] QueryServerLoad load() const;
  [[nodiscard]] SearchPulse pulse() const;
  /// New requests are refused with "draining" from now on; queued ones are still answered.
  void drain();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace rookery::retriever_pool
