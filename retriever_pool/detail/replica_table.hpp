#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "retriever_pool/detail/link.hpp"
#include "retriever_pool/routing_core.hpp"
#include "retriever_pool/routing_view.hpp"

namespace rookery::retriever_pool::detail {

/// A replica's connection.
struct ReplicaLink {
  ReplicaPlace place;
  std::string node;  ///< "node-1"
  std::unique_ptr<Link> link;
};

/// The connections to the replicas of the newest view, by a number that is never used again. One
/// thread at a time.
class ReplicaTable {
 public:
  explicit ReplicaTable(CurveClientKeys keys = {}) : keys_(std::move(keys)) {}
  using Replica = RequestPlan::Replica;
  using Time = RoutingCore::Time;
  /// Connects to what is new, keeps what stayed, drops what has left, and tells the core.
  void apply(zmq::context_t& context, const RoutingView& view, RoutingCore& core, Time now);
  [[nodiscard]] std::map<Replica, ReplicaLink>& all() { return links_; }
  [[nodiscard]] const std::map<Replica, ReplicaLink>& all() const { return links_; }
  [[nodiscard]] ReplicaLink* find(Replica number);

 private:
  CurveClientKeys keys_;
  std::map<Replica, ReplicaLink> links_;
  Replica next_number_ = 1;
};

}  // namespace rookery::retriever_pool::detail
