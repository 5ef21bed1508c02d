#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/metrics.hpp"
#include "memory_shard.hpp"
#include "retriever_pool/query_server.hpp"
#include "retriever_pool/view_server.hpp"

namespace rookery::retriever_pool::testing {

/// Servers and a routing view in this process, over real sockets: what a head and its nodes make
/// together. Use from one thread.
class TestColony {
 public:
  TestColony(const Corpus& corpus, std::int32_t shards, std::int32_t replicas,
             const std::string& metric = "inner_product")
      : TestColony(corpus.split(shards), describe(corpus, shards, "7f3a", metric), replicas, {}) {}
  /// Servers have `options`, of the description's metric.
  TestColony(std::vector<std::shared_ptr<const index_tools::SnapshotShard>> parts,
             IndexDescription index, std::int32_t replicas, QueryServerOptions options)
      : options_(std::move(options)), parts_(std::move(parts)), views_("tcp://127.0.0.1:*") {
    view_.colony = "test";
    view_.term = 1;
    view_.generations = {{"main", GenerationRole::kLive, static_cast<std::int32_t>(parts_.size()),
                          replicas, std::move(index), ""}};
    for (std::int32_t s = 0; s < generation().shards; ++s) {
      for (std::int32_t r = 0; r < replicas; ++r) {
        ReplicaView member;
        member.index = "main";
        member.shard = s;
        member.replica = r;
        member.node = "node-" + std::to_string(s * replicas + r + 1);
        view_.members.push_back(member);
        servers_.emplace_back();
        start(servers_.size() - 1);
      }
    }
    publish();
  }

  /// Starts the server of a member that has none, of the view's generation.
  void start(std::size_t member) {
    ReplicaView& view = view_.members[member];
    QueryServerOptions options = options_;
    options.metric = generation().index.metric;
    options.queue_requests_max = queue_requests_max;
    servers_[member] =
        std::make_unique<QueryServer>(options, parts_[static_cast<std::size_t>(view.shard)],
                                      generation().index.generation, metrics);
    view.endpoint = servers_[member]->endpoint();
    view.state = ReplicaState::kReady;
    view.generation = generation().index.generation;
  }
  void stop(std::size_t member) { servers_[member].reset(); }
  /// The member's state in the view; takes effect with `publish`.
  void set_state(std::size_t member, ReplicaState state) { view_.members[member].state = state; }
  void set_endpoint(std::size_t member, const std::string& endpoint) {
    view_.members[member].endpoint = endpoint;
  }
  void set_generation(const std::string& generation) {
    view_.generations.front().index.generation = generation;
  }
  void publish() {
    ++view_.epoch;
    views_.publish(view_);
  }

  [[nodiscard]] std::unique_ptr<Retriever> client(PoolClientOptions options = {}) const {
    options.head = views_.endpoint();
    return open_pool_client(options);
  }
  [[nodiscard]] QueryServer& server(std::size_t member) { return *servers_[member]; }
  [[nodiscard]] RoutingView& view() { return view_; }
  [[nodiscard]] GenerationView& generation() { return view_.generations.front(); }
  [[nodiscard]] std::string head() const { return views_.endpoint(); }

  base::Metrics metrics;
  std::int32_t queue_requests_max = 256;

 private:
  QueryServerOptions options_;
  std::vector<std::shared_ptr<const index_tools::SnapshotShard>> parts_;
  RoutingView view_;
  ViewServer views_;
  std::vector<std::unique_ptr<QueryServer>> servers_;
};

}  // namespace rookery::retriever_pool::testing
