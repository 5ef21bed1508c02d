#pragma once

#include <mutex>
#include <string>
#include <vector>

#include "actors/membership.hpp"

namespace rookery::actors {

/// What the supervisor knows of the agents, for people.
struct AgentInfo {
  std::string agent, host;
  std::int64_t pid = 0;
  std::int32_t cores = 0, slots = 0;
  bool connected = false;
};

/// What registry and supervisor tell the threads that answer people (HTTP). Thread-safe.
class StatusBoard {
 public:
  void update(const Membership& membership);
  void update_agents(std::vector<AgentInfo> agents);
  /// `/v1/view`: the routing view, as clients get it.
  [[nodiscard]] std::string view_json() const;
  /// `/v1/status`: the view, with agents, reasons and restarts.
  [[nodiscard]] std::string status_json() const;
  /// Every wanted replica is ready.
  [[nodiscard]] bool complete() const;
  /// Every shard is served.
  [[nodiscard]] bool ready() const;
  [[nodiscard]] retriever_pool::RoutingView view() const;

 private:
  mutable std::mutex mutex_;
  retriever_pool::RoutingView view_;
  std::vector<Membership::Member> members_;
  std::vector<AgentInfo> agents_;
};

}  // namespace rookery::actors
