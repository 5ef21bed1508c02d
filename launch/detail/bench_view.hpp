#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "index_tools/snapshot.hpp"
#include "retriever_pool/routing_view.hpp"

namespace rookery::launch::detail {

/// The generation that servers of a benchmark say they serve.
inline constexpr const char* kBenchGeneration = "bench";

/// A view of one generation of one shard, whose ready replicas listen at `endpoints`.
inline retriever_pool::RoutingView bench_view(const index_tools::SnapshotShard& shard,
                                              const std::vector<std::string>& endpoints) {
  using namespace retriever_pool;
  RoutingView view;
  view.colony = "bench";
  view.term = view.epoch = 1;
  IndexDescription index;
  index.generation = kBenchGeneration;
  index.metric = "inner_product";
  index.dimension = shard.dimension();
  index.shards = 1;
  index.passages = shard.count();
  const auto replicas = static_cast<std::int32_t>(endpoints.size());
  view.generations = {{"main", GenerationRole::kLive, 1, replicas, index, ""}};
  for (std::int32_t r = 0; r < replicas; ++r) {
    ReplicaView member;
    member.index = "main";
    member.replica = r;
    member.node = "node-" + std::to_string(r + 1);
    member.endpoint = endpoints[static_cast<std::size_t>(r)];
    member.state = ReplicaState::kReady;
    member.generation = kBenchGeneration;
    view.members.push_back(member);
  }
  return view;
}

}  // namespace rookery::launch::detail
