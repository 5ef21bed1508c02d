#include "retriever_pool/detail/replica_table.hpp"

#include <algorithm>
#include <set>

#include "base/log.hpp"

namespace rookery::retriever_pool::detail {

void ReplicaTable::apply(zmq::context_t& context, const RoutingView& view, RoutingCore& core,
                         Time now) {
  std::set<Replica> stayed;
  for (const ReplicaView& member : view.members) {
    const bool ready = member.state == ReplicaState::kReady;
    if (member.endpoint.empty() || (!ready && member.state != ReplicaState::kDraining)) continue;
    const ReplicaPlace place{member.index, member.generation, member.shard};
    const auto known = std::find_if(links_.begin(), links_.end(), [&](const auto& item) {
      return item.second.link->endpoint() == member.endpoint && item.second.place == place;
    });
    if (known != links_.end()) {
      core.set_ready(known->first, ready);
      stayed.insert(known->first);
      continue;
    }
    if (!ready) continue;
    try {
      auto link = std::make_unique<Link>(context, member.endpoint, keys_);
      const Replica number = next_number_++;
      links_[number] = {place, member.node, std::move(link)};
      core.add(number, place);
      stayed.insert(number);
    } catch (const zmq::error_t& error) {
      base::logger("retriever_pool")
          ->warn("{} has the endpoint '{}': {}", member.node, member.endpoint, error.what());
    }
  }
  for (auto item = links_.begin(); item != links_.end();) {
    if (stayed.contains(item->first)) {
      ++item;
      continue;
    }
    core.remove(item->first, item->second.node + " left the routing view", now);
    item = links_.erase(item);
  }
  core.view_changed();
}

ReplicaLink* ReplicaTable::find(Replica number) {
  const auto found = links_.find(number);
  return found == links_.end() ? nullptr : &found->second;
}

}  // namespace rookery::retriever_pool::detail
