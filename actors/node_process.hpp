#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>

#include "base/process_watch.hpp"
#include "base/stop_signal.hpp"
#include "retriever_pool/retriever.hpp"

namespace rookery::actors {

struct NodeOptions {
  std::string colony;           ///< where `head.json` is looked up; empty with `head`: any colony
  std::string head;             ///< control address HOST:PORT; used where `head.json` names none
  std::filesystem::path index;  ///< snapshot, `NAME` or `NAME/GENERATION`
  std::string index_name;       ///< empty: whichever index of the colony has that generation
  std::int32_t shard = 0, replica = 0;
  std::int64_t run = 0;  ///< `NodeSpec::run`, told to the head
  std::string name;      ///< empty: "node-SHARD-REPLICA"
  std::string listen = "127.0.0.1";
  std::filesystem::path keys = {};  ///< key folder; empty: see `ColonySecurity::find`
  bool insecure = false;            ///< allows `listen` beyond loopback
  std::int32_t threads = 0;         ///< 0: all usable cores
  std::int32_t queue_requests_max = 256;
  std::int64_t queue_bytes_max = 64 << 20;
  std::int32_t batch_queries_max = 128;
  std::int32_t batch_window_us = 1000;  ///< waiting for more queries to merge; 0: none
  /// Share of the queue that each priority may fill, (0, 1], by `Priority`.
  std::array<double, retriever_pool::kPriorities> priority_shares = {1.0, 0.75, 0.5};
  std::string kind;  ///< of queries that name none; empty: exact where there are vectors, else bm25
  retriever_pool::SearchTuning tuning = {};  ///< where a query says 0
  std::filesystem::path filter_file;         ///< JSON lists that hold for every query; empty: none
  base::ProcessWatchOptions watch = {};      ///< `http` beyond loopback needs `insecure` or TLS
  /// Until the first head answers; 0 waits for ever (an agent's nodes come up without a head too).
  std::chrono::milliseconds head_timeout{10'000};
};

/// `rookery node`: serves one shard until a signal comes, then drains and leaves. Throws
/// `UserError` for a snapshot that is missing, damaged or has no such shard or kind, an unreachable
/// head, or a head that refuses.
void run_node(const NodeOptions& options, const base::StopSignal& stop);

}  // namespace rookery::actors
