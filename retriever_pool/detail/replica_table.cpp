#include "retriever_pool/detail/replica_table.hpp"

#include <algorithm>

#include "base/log.hpp"

namespace rookery::retriever_pool::detail {

std::vector<ReplicaEntry> ReplicaTable::apply(zmq::context_t& context, const RoutingView& view) {
  std::vector<ReplicaEntry> kept;
  for (const ReplicaView& member : view.members) {
    const bool ready = member.state == ReplicaState::kReady;
    if (member.endpoint.empty() || (!ready && member.state != ReplicaState::kDraining)) continue;
    const auto known = std::find_if(replicas_.begin(), replicas_.end(), [&](const auto& r) {
      return r.link && r.link->endpoint() == member.endpoint && r.shard == member.shard &&
             r.generation == member.generation;
    });
    if (known != replicas_.end()) {
      known->ready = ready;
      kept.push_back(std::move(*known));
      continue;
    }
    if (!ready) continue;
    ReplicaEntry entry;
    entry.number = next_number_++;
    entry.shard = member.shard;
    entry.generation = member.generation;
    entry.node = member.node;
    entry.ready = true;
    try {
      entry.link = std::make_unique<Link>(context, member.endpoint, keys_);
    } catch (const zmq::error_t& error) {
      base::logger("retriever_pool")
          ->warn("{} has the endpoint '{}': {}", member.node, member.endpoint, error.what());
      continue;
    }
    kept.push_back(std::move(entry));
  }
  std::vector<ReplicaEntry> left;
  for (ReplicaEntry& entry : replicas_) {
    if (entry.link) left.push_back(std::move(entry));
  }
  replicas_ = std::move(kept);
  return left;
}

ReplicaEntry* ReplicaTable::find(std::uint64_t number) {
  const auto found = std::find_if(replicas_.begin(), replicas_.end(),
                                  [&](const auto& r) { return r.number == number; });
  return found == replicas_.end() ? nullptr : &*found;
}

}  // namespace rookery::retriever_pool::detail
