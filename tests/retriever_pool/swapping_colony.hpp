#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/metrics.hpp"
#include "memory_shard.hpp"
#include "retriever_pool/query_server.hpp"
#include "retriever_pool/view_server.hpp"

namespace rookery::retriever_pool::testing {

/// A colony of one index in this process whose generations come, become live and go, over real
/// sockets. Use from one thread.
class SwappingColony {
 public:
  explicit SwappingColony(const LeaseLimits& leases = {})
      : views_("tcp://127.0.0.1:*", {}, leases) {
    view_.colony = "test";
    view_.term = 1;
  }

  /// Starts servers for every shard × replica; clients hear of it with `publish`.
  void add(const std::string& generation, const Corpus& corpus, std::int32_t shards,
           std::int32_t replicas = 1, GenerationRole role = GenerationRole::kPreparing) {
    const auto parts = corpus.split(shards);
    GenerationView entry{"main", role, shards, replicas, describe(corpus, shards, generation), ""};
    view_.generations.push_back(std::move(entry));
    for (std::int32_t s = 0; s < shards; ++s) {
      for (std::int32_t r = 0; r < replicas; ++r) {
        servers_[generation].push_back(std::make_unique<QueryServer>(
            QueryServerOptions{}, parts[static_cast<std::size_t>(s)], generation, metrics));
        ReplicaView member;
        member.index = "main";
        member.shard = s;
        member.replica = r;
        member.generation = generation;
        member.node = generation + "-" + std::to_string(s) + "-" + std::to_string(r);
        member.endpoint = servers_[generation].back()->endpoint();
        member.state = ReplicaState::kReady;
        view_.members.push_back(std::move(member));
      }
    }
  }
  /// The live one becomes retired.
  void make_live(const std::string& generation) {
    for (auto& entry : view_.generations) {
      if (entry.index.generation == generation) {
        entry.role = GenerationRole::kLive;
      } else if (entry.role == GenerationRole::kLive) {
        entry.role = GenerationRole::kRetired;
      }
    }
    std::stable_sort(view_.generations.begin(), view_.generations.end(),
                     [](const auto& a, const auto& b) {
                       return static_cast<int>(a.role) < static_cast<int>(b.role);
                     });
  }
  /// Servers leave the view and go away, as nodes that were drained.
  void remove(const std::string& generation) {
    std::erase_if(view_.generations,
                  [&](const auto& entry) { return entry.index.generation == generation; });
    std::erase_if(view_.members,
                  [&](const auto& member) { return member.generation == generation; });
    for (auto& server : servers_[generation]) server->drain();
    publish();
    servers_.erase(generation);
  }
  void publish() {
    ++view_.epoch;
    views_.publish(view_);
  }
  [[nodiscard]] std::unique_ptr<Retriever> client(PoolClientOptions options = {}) const {
    options.head = views_.endpoint();
    return open_pool_client(options);
  }
  [[nodiscard]] RoutingView& view() { return view_; }
  /// The server of a generation's shard × replica, in order.
  [[nodiscard]] QueryServer& server(const std::string& generation, std::size_t member) {
    return *servers_.at(generation).at(member);
  }
  [[nodiscard]] const ViewServer& views() const { return views_; }
  [[nodiscard]] std::vector<ReplicaView> members(const std::string& generation) const {
    std::vector<ReplicaView> found;
    std::copy_if(view_.members.begin(), view_.members.end(), std::back_inserter(found),
                 [&](const auto& member) { return member.generation == generation; });
    return found;
  }

  base::Metrics metrics;

 private:
  RoutingView view_;
  ViewServer views_;
  std::map<std::string, std::vector<std::unique_ptr<QueryServer>>> servers_;
};

}  // namespace rookery::retriever_pool::testing
