#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "retriever_pool/retriever.hpp"

namespace rookery::retriever_pool {

enum class ReplicaState { kJoining, kLoading, kReady, kDraining, kGone };
std::string to_string(ReplicaState state);

struct ReplicaView {
  std::int32_t shard = 0, replica = 0;
  std::string node;      ///< "node-1"
  std::string endpoint;  ///< data plane, "tcp://127.0.0.1:41234"; empty until it listens
  ReplicaState state = ReplicaState::kJoining;
  std::string generation;
  std::int64_t pid = 0;
  std::int64_t queue = 0, served = 0;  ///< as last reported
  std::int32_t restarts = 0;
  std::string host;
};

/// Who serves what, at one moment. A client keeps the newest view it saw (term, then epoch) and
/// goes on with it when the head is gone.
struct RoutingView {
  std::string colony;
  std::uint64_t term = 0;                 ///< rises each time a head starts
  std::uint64_t epoch = 0;                ///< rises with every change within a term
  std::int32_t shards = 0, replicas = 0;  ///< wanted
  IndexDescription index;
  std::string snapshot;              ///< the snapshot's folder on the nodes' hosts
  std::vector<ReplicaView> members;  ///< sorted by shard, then replica

  [[nodiscard]] std::string to_json() const;
  /// Throws `std::invalid_argument` for text that is no view: it may come from anyone.
  static RoutingView from_json(const std::string& text);
  [[nodiscard]] bool newer_than(const RoutingView& other) const {
    return term != other.term ? term > other.term : epoch > other.epoch;
  }
  /// Every wanted shard has at least one ready replica of the index's generation.
  [[nodiscard]] bool serves_all_shards() const;
  /// Every wanted replica is ready.
  [[nodiscard]] bool complete() const;
};

}  // namespace rookery::retriever_pool
