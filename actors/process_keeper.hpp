#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "actors/messages.hpp"
#include "actors/process_identity.hpp"
#include "actors/restart_policy.hpp"
#include "base/subprocess.hpp"

namespace rookery::actors {

struct KeeperSetup {
  std::string agent;
  RestartPolicyOptions policy;
  std::chrono::milliseconds stop_grace{3'000};  ///< between SIGTERM and SIGKILL
  /// The process for one slot; `slots` is how many this host runs, for its share of the cores.
  std::function<base::SubprocessOptions(const NodeSpec&, std::int32_t slots)> command;
  std::function<void(const ProcessEvent&)> on_event;  ///< from the keeper's thread
  /// All processes that run, after each start and end; from the keeper's thread.
  std::function<void(const std::vector<ProcessIdentity>&)> on_processes;
};

/// Runs the processes of one host on a thread of its own, which parents them all: the kernel ends
/// them with it. Sleeps until a process ends, a back-off is over or a new assignment comes.
class ProcessKeeper {
 public:
  explicit ProcessKeeper(KeeperSetup setup);
  ~ProcessKeeper();  ///< Stops every process (SIGTERM, SIGKILL after the grace) and joins.
  /// Replaces what shall run. Any thread; returns at once.
  void assign(std::vector<NodeSpec> specs);
  /// The last event of every slot, for a new head. Any thread.
  [[nodiscard]] std::vector<ProcessEvent> events() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace rookery::actors
