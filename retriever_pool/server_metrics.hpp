#pragma once

#include <chrono>
#include <cstdint>
#include <memory>

#include "base/metrics.hpp"
#include "retriever_pool/shard_service.hpp"
#include "retriever_pool/wire.hpp"

namespace rookery::retriever_pool {

/// The metrics of one query server, labelled by shard. Thread-safe.
class ServerMetrics {
 public:
  ServerMetrics(base::Metrics& metrics, std::int32_t shard);
  ~ServerMetrics();
  void set_queue(std::int64_t requests);
  void queue_wait(std::chrono::nanoseconds wait);
  void scan(const ServiceScan& scan);  ///< labelled by kind too
  void served();
  void refused(wire::ErrorCode code);
  void undelivered();  ///< an answer whose client was gone

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace rookery::retriever_pool
