#pragma once

#include <string>

#include "retriever_pool/routing_view.hpp"

namespace rookery::actors {

/// The states of one node: joining → loading → ready → draining → gone; any may become gone. Pure.
class NodeLifecycle {
 public:
  [[nodiscard]] retriever_pool::ReplicaState state() const { return state_; }
  [[nodiscard]] const std::string& endpoint() const { return endpoint_; }
  /// Each returns whether the step exists from here; if not, nothing changes.
  bool begin_loading();
  bool loaded(const std::string& endpoint);
  bool drain();  ///< from any state before draining: what is not ready has nothing to drain
  void leave();

 private:
  retriever_pool::ReplicaState state_ = retriever_pool::ReplicaState::kJoining;
  std::string endpoint_;
};

}  // namespace rookery::actors
