#pragma once

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "actors/colony_folder.hpp"
#include "actors/colony_status.hpp"
#include "base/subprocess.hpp"
#include "launch/chaos/fault_proxy.hpp"
#include "retriever_pool/retriever.hpp"

namespace rookery::launch {

/// How a colony of the fault bench is started.
struct ChaosColonyOptions {
  std::filesystem::path home;      ///< a folder of its own; becomes ROOKERY_HOME of this process
  std::filesystem::path snapshot;  ///< `NAME` or `NAME/GENERATION`
  std::string pool;                ///< more keys of `pool:`, as `, key: value`
  std::string index;               ///< and of `index:`
  bool proxied_control = false;    ///< agent and nodes reach the head through `control_proxy`
  bool keyed = false;              ///< it gets keys of its own, unless `pool` names some
  std::string name = "chaos";
  std::vector<std::string> agent_prefix = {};  ///< a program that starts the agent, as `unshare -T`
};

/// A real colony: `rookery head` and `rookery agent` as children, nodes below the agent. Ends with
/// this object, and with this process however that ends. Use from the thread that made it.
class ChaosColony {
 public:
  /// Starts it and waits until all replicas are ready. Throws `UserError` with the logs' last
  /// words.
  explicit ChaosColony(ChaosColonyOptions options);
  ~ChaosColony();
  ChaosColony(const ChaosColony&) = delete;
  ChaosColony& operator=(const ChaosColony&) = delete;

  [[nodiscard]] const std::string& name() const { return options_.name; }
  [[nodiscard]] actors::ColonyStatus status() const;
  /// The member as the head knows it; nothing when the head gives no status.
  [[nodiscard]] std::optional<actors::MemberStatus> member(std::int32_t shard,
                                                           std::int32_t replica) const;
  /// All wanted replicas ready within `timeout`.
  [[nodiscard]] bool wait_complete(std::chrono::milliseconds timeout) const;
  [[nodiscard]] std::string routing() const;  ///< the head's routing endpoint
  [[nodiscard]] pid_t head_pid() const { return head_->pid(); }
  [[nodiscard]] pid_t agent_pid() const { return agent_->pid(); }
  [[nodiscard]] std::vector<pid_t> node_pids() const;  ///< from the agent's record
  void kill_head();
  void start_head();  ///< and waits until it is reachable
  [[nodiscard]] FaultProxy& control_proxy() { return *control_; }
  [[nodiscard]] double ready_seconds() const { return ready_seconds_; }  ///< the start took
  [[nodiscard]] std::string logs() const;
  [[nodiscard]] std::filesystem::path folder() const;
  [[nodiscard]] std::filesystem::path config() const;
  /// A client of the head itself.
  [[nodiscard]] std::shared_ptr<retriever_pool::Retriever> client(
      retriever_pool::PoolClientOptions options = {}) const;
  /// Runs `rookery ARGUMENTS` to its end; its exit code (-1: not within `timeout`) and its words.
  std::pair<int, std::string> rookery(const std::vector<std::string>& arguments,
                                      std::chrono::milliseconds timeout = std::chrono::minutes(1));

 private:
  void start_agent();
  void stop();
  ChaosColonyOptions options_;
  std::optional<base::Subprocess> head_, agent_;
  std::unique_ptr<FaultProxy> control_;
  double ready_seconds_ = 0;
  std::filesystem::path keys_;  ///< empty: ports without keys
  int runs_ = 0;
};

/// The `rookery` that runs now.
std::filesystem::path own_executable();

}  // namespace rookery::launch
