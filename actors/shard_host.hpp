#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "base/metrics.hpp"
#include "retriever_pool/query_server.hpp"

namespace rookery::actors {

struct ShardHostSetup {
  std::filesystem::path snapshot;
  std::int32_t shard = 0;
  std::string generation;
  retriever_pool::QueryServerOptions server;
  std::function<void(const std::string& endpoint)> on_ready;  ///< from the loading thread
  std::function<void(const std::string& why)> on_failure;     ///< from the loading thread
};

/// Loads one shard (checking every block) and serves it, on threads of its own. Any thread may
/// call.
class ShardHost {
 public:
  ShardHost(ShardHostSetup setup, base::Metrics& metrics);
  ~ShardHost();  ///< Waits for the loading thread, closes the server.
  [[nodiscard]] retriever_pool::QueryServerLoad load() const;  ///< zeros until it serves
  [[nodiscard]] retriever_pool::SearchPulse pulse() const;     ///< idle until it serves
  void drain();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace rookery::actors
