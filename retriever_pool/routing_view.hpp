#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "retriever_pool/retriever.hpp"

namespace rookery::retriever_pool {

enum class ReplicaState { kJoining, kLoading, kReady, kDraining, kGone };
std::string to_string(ReplicaState state);

struct ReplicaView {
  std::string index;  ///< the name of the index that it serves a part of
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

/// Live: new queries go there. Retired: only queries that are pinned to it. Preparing: nobody asks
/// it yet.
enum class GenerationRole { kLive, kRetired, kPreparing };
std::string to_string(GenerationRole role);

/// One generation of one named index, and how many processes shall serve it.
struct GenerationView {
  std::string index_name;  ///< "main" unless the colony file names it; at most 32 bytes
  GenerationRole role = GenerationRole::kLive;
  std::int32_t shards = 0, replicas = 0;  ///< wanted
  IndexDescription index;
  std::string snapshot;  ///< the generation's folder on the nodes' hosts
};

/// Who serves what, at one moment. A client keeps the newest view it saw (term, then epoch) and
/// goes on with it when the head is gone.
struct RoutingView {
  std::string colony;
  std::uint64_t term = 0;   ///< rises each time a head starts
  std::uint64_t epoch = 0;  ///< rises with every change within a term
  /// At most one live one an index; the default index's live one first.
  std::vector<GenerationView> generations;
  std::vector<ReplicaView> members;  ///< sorted by index, generation, shard, replica

  /// The live generation of an index, of the default one for an empty name; null when there is
  /// none.
  [[nodiscard]] const GenerationView* live(const std::string& index_name = {}) const;
  /// A served generation of an index (empty: the default one), whatever its role; null when there
  /// is none.
  [[nodiscard]] const GenerationView* find(const std::string& index_name,
                                           const std::string& generation) const;

  [[nodiscard]] std::string to_json() const;
  /// Throws `std::invalid_argument` for text that is no view: it may come from anyone.
  static RoutingView from_json(const std::string& text);
  [[nodiscard]] bool newer_than(const RoutingView& other) const {
    return term != other.term ? term > other.term : epoch > other.epoch;
  }
  /// Every shard of this generation has at least one ready replica.
  [[nodiscard]] bool serves_all_shards(const GenerationView& generation) const;
  /// Every live generation serves all its shards, and there is one.
  [[nodiscard]] bool serves_all_shards() const;
  /// Every wanted replica of this generation is ready.
  [[nodiscard]] bool complete(const GenerationView& generation) const;
  /// Every live generation is complete, and there is one.
  [[nodiscard]] bool complete() const;
};

}  // namespace rookery::retriever_pool
