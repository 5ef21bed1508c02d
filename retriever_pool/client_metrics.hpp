#pragma once

#include <chrono>
#include <memory>
#include <optional>

#include "base/metrics.hpp"
#include "retriever_pool/routing_core.hpp"

namespace rookery::retriever_pool {

std::string to_string(RetrievalFault fault);  ///< "invalid", "unavailable", …
std::string to_string(AttemptKind kind);      ///< "first", "retry", "hedge", "probe"
std::string to_string(AttemptEnd end);        ///< "won", "failed", "lost", "abandoned"

/// What a pool client tells Prometheus, as `rookery_client_…`. Thread-safe.
class ClientMetrics {
 public:
  explicit ClientMetrics(base::Metrics& metrics);
  ~ClientMetrics();
  ClientMetrics(const ClientMetrics&) = delete;
  ClientMetrics& operator=(const ClientMetrics&) = delete;

  void call(const std::optional<RetrievalError>& error, std::chrono::nanoseconds took);
  void attempt(const AttemptReport& report);
  void noticed(RoutingPort::Event event);
  /// Counts the replicas of the view by what the client thinks of them.
  void set_replicas(const ReplicaRoster& roster, ReplicaRoster::Time now);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace rookery::retriever_pool
