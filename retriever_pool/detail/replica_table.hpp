#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "retriever_pool/detail/link.hpp"
#include "retriever_pool/replica_health.hpp"
#include "retriever_pool/routing_view.hpp"

namespace rookery::retriever_pool::detail {

/// A message that a replica has not answered yet.
struct InFlight {
  std::uint64_t call = 0, plan = 0;  ///< serial of the call and of its plan
  std::int32_t shard = 0;
  std::chrono::steady_clock::time_point sent;
};

/// One replica as the client's thread sees it.
struct ReplicaEntry {
  std::uint64_t number = 0;  ///< never used again
  std::int32_t shard = 0;
  std::string generation, node;
  bool ready = false;  ///< by the view; a draining one only finishes what it has
  ReplicaHealth health;
  std::map<std::pair<std::uint64_t, std::uint32_t>, InFlight> in_flight;  ///< (call, attempt)
  std::unique_ptr<Link> link;
};

/// The replicas of the newest view, each with its connection. One thread.
class ReplicaTable {
 public:
  explicit ReplicaTable(CurveClientKeys keys = {}) : keys_(std::move(keys)) {}
  /// Connects to what is new, keeps what stayed, and returns what has left with whatever was in
  /// flight there.
  std::vector<ReplicaEntry> apply(zmq::context_t& context, const RoutingView& view);
  [[nodiscard]] std::vector<ReplicaEntry>& all() { return replicas_; }
  [[nodiscard]] ReplicaEntry* find(std::uint64_t number);

 private:
  CurveClientKeys keys_;
  std::vector<ReplicaEntry> replicas_;
  std::uint64_t next_number_ = 1;
};

}  // namespace rookery::retriever_pool::detail
