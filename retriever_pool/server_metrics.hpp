#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "base/metrics.hpp"
#include "retriever_pool/shard_service.hpp"
#include "retriever_pool/wire.hpp"

namespace rookery::retriever_pool {

/// The metrics of one query server, labelled by shard. Thread-safe.
class ServerMetrics {
 public:
  ServerMetrics(base::Metrics& metrics, std::int32_t shard, const std::string& generation);
  ~ServerMetrics();
  void set_queue(std::int64_t requests);
  void scan(const ServiceScan& scan);  ///< labelled by kind too
  void served();
  void refused(wire::ErrorCode code, Priority priority);
  void undelivered();  ///< an answer whose client was gone
  void cancelled();    ///< a query that left the queue because nobody waits for it any more
  void received(std::int64_t bytes);
  void sent(std::int64_t bytes);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace rookery::retriever_pool
