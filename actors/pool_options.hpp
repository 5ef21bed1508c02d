#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "actors/autoscaler.hpp"
#include "base/option_reader.hpp"
#include "retriever_pool/client_settings.hpp"
#include "retriever_pool/index_options.hpp"
#include "retriever_pool/retriever.hpp"

namespace rookery::actors {

/// The section `index` of a colony file: what is searched.
using IndexOptions = retriever_pool::IndexOptions;

/// The section `pool` of a colony file: how it is served. The defaults suit one machine.
struct PoolOptions {
  std::optional<std::int32_t>
      shards;                 ///< unset: as many as the snapshot has, else checked against it
  std::int32_t replicas = 1;  ///< of each shard, [1, 64]
  std::string listen = "127.0.0.1";  ///< IPv4 address of all ports
  std::filesystem::path keys;        ///< key folder (rookery keys new); empty: ports without keys
  bool insecure = false;             ///< allows `listen` beyond loopback without keys (law 5)
  std::int32_t control_port = 0;     ///< CAF; 0 takes a free one and keeps it for the next term
  std::int32_t routing_port = 0;     ///< routing view for clients; 0 as above
  std::int32_t http_port = 0;        ///< health, metrics, status; 0 as above
  std::chrono::milliseconds deadline{2000};  ///< YAML key `deadline_ms`: of a client's query
  std::int32_t threads = 0;  ///< search threads a node, [0, 256]; 0: the agent's share of the cores
  std::int32_t queue_requests_max = 256;    ///< further requests are refused at once
  std::int64_t queue_bytes_max = 64 << 20;  ///< of waiting requests, a node
  std::int32_t batch_queries_max = 128;     ///< queries merged into one scan
  /// A scan waits for more queries at most so long, and less where it would not pay; 0: not at all.
  std::int32_t batch_window_us = 1000;
  /// Share of a node's queue that verification, training and prefetch may fill, [0.001, 1] each.
  std::array<double, retriever_pool::kPriorities> priority_shares = {1.0, 0.75, 0.5};
  AutoscaleOptions autoscale = {};             ///< of every index; off
  retriever_pool::ClientSettings client = {};  ///< of the workers that the file describes
  /// Refuses `listen` beyond 127.0.0.0/8 unless there are `keys` or `insecure` is set.
  static PoolOptions from_options(base::OptionReader reader);
};

/// True for an IPv4 address in 127.0.0.0/8.
bool is_loopback(const std::string& address);

}  // namespace rookery::actors
