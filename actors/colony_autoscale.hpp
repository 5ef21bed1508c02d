#pragma once

#include <map>
#include <string>

#include "actors/autoscaler.hpp"
#include "actors/colony_plan.hpp"

namespace rookery::actors {

/// Orders the replicas of every index of a plan by what its nodes report. Pure: times and states
/// come from the caller.
class ColonyAutoscale {
 public:
  explicit ColonyAutoscale(const AutoscaleOptions& options) : options_(options) {}
  /// Looks at the live generation of every index. While one is being changed, or a replica of it is
  /// not ready, it is left alone. True when the plan was changed; the operation says why.
  bool step(ColonyPlan& plan, const NodeStates& states, TimePoint now);

 private:
  AutoscaleOptions options_;
  std::map<std::string, Autoscaler> indexes_;
};

}  // namespace rookery::actors
