#include "actors/colony_stop.hpp"

#include <algorithm>

namespace rookery::actors {

std::int32_t stop_colony(const ColonyFolder& folder, std::chrono::milliseconds grace) {
  std::int32_t stopped = 0;
  const auto stop = [&](const ProcessIdentity& process) {
    stopped += stop_process(process, grace) != StopResult::kNotRunning;
  };
  const auto alive = [](const ProcessIdentity& process) { return process.alive(); };
  if (const auto agent = folder.agent()) {
    const auto count = [&] {
      const auto record = folder.agent().value_or(*agent);
      return static_cast<std::int32_t>(
          std::count_if(record.nodes.begin(), record.nodes.end(), alive));
    };
    const auto nodes = count();
    stop(agent->process);
    // The kernel ends the nodes of a dead agent; whatever is left of them is stopped by hand.
    const auto last = folder.agent().value_or(*agent);
    auto left = agent->nodes;
    left.insert(left.end(), last.nodes.begin(), last.nodes.end());
    for (const auto& node : left) stop_process(node, grace);
    stopped += nodes;
  }
  if (const auto head = folder.head()) stop(head->process);
  folder.remove_records();
  return stopped;
}

}  // namespace rookery::actors
