#include "actors/colony_autoscale.hpp"

#include <algorithm>
#include <cstdio>
#include <optional>
#include <utility>

#include "base/log.hpp"

namespace rookery::actors {

namespace {

constexpr int kAccepted = 202;

/// What the nodes of one generation report.
struct Sight {
  std::int64_t queue_wait_us = 0;  ///< of the worst one
  bool settled = true;
};

Sight look(const WantedIndex& index, const WantedGeneration& live, const NodeStates& states) {
  Sight sight;
  for (std::int32_t shard = 0; shard < live.shards; ++shard) {
    for (std::int32_t replica = 0; replica < live.replicas; ++replica) {
      const auto state = states.find({index.name, live.generation, shard, replica});
      if (state == states.end() || !state->second.ready) {
        sight.settled = false;
        continue;
      }
      sight.queue_wait_us = std::max(sight.queue_wait_us, state->second.queue_wait_us);
    }
  }
  return sight;
}

std::string why(const Sight& sight, const AutoscaleOptions& options, std::int32_t replicas) {
  if (replicas < options.replicas_min || replicas > options.replicas_max) {
    return "autoscale: " + std::to_string(options.replicas_min) + " to " +
           std::to_string(options.replicas_max) + " replicas are wanted";
  }
  char wait[64];
  std::snprintf(wait, sizeof wait, "%.1f", static_cast<double>(sight.queue_wait_us) / 1'000);
  return "autoscale: requests wait " + std::string(wait) + " ms at the busiest node, up to " +
         std::to_string(options.queue_wait.count()) + " ms is good";
}

}  // namespace

bool ColonyAutoscale::step(ColonyPlan& plan, const NodeStates& states, TimePoint now) {
  if (!options_.enabled()) return false;
  bool changed = false;
  // By name: an order changes the plan's own list.
  std::vector<std::string> names;
  for (const auto& index : plan.wanted().indexes) names.push_back(index.name);
  for (const auto& name : names) {
    const auto* index = plan.wanted().find(name);
    const auto* live = index->live();
    if (live == nullptr) continue;
    const auto sight = look(*index, *live, states);
    auto& scaler = indexes_.try_emplace(name, options_).first->second;
    const auto wanted =
        scaler.step(sight.queue_wait_us, live->replicas, sight.settled && !plan.busy(name), now);
    if (!wanted) continue;
    const auto reply = plan.autoscale(name, *wanted, why(sight, options_, live->replicas));
    base::logger("actors")->info("head: {}", reply.text);
    changed = changed || reply.status == kAccepted;
  }
  return changed;
}

}  // namespace rookery::actors
