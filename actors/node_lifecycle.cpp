#include "actors/node_lifecycle.hpp"

namespace rookery::actors {

using retriever_pool::ReplicaState;

bool NodeLifecycle::begin_loading() {
  if (state_ != ReplicaState::kJoining) return false;
  state_ = ReplicaState::kLoading;
  return true;
}

bool NodeLifecycle::loaded(const std::string& endpoint) {
  if (state_ != ReplicaState::kLoading || endpoint.empty()) return false;
  state_ = ReplicaState::kReady;
  endpoint_ = endpoint;
  return true;
}

bool NodeLifecycle::drain() {
  if (state_ == ReplicaState::kDraining || state_ == ReplicaState::kGone) return false;
  state_ = ReplicaState::kDraining;
  return true;
}

void NodeLifecycle::leave() {
  state_ = ReplicaState::kGone;
  endpoint_.clear();
}

}  // namespace rookery::actors
