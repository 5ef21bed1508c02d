#include "actors/swap_plan.hpp"

#include <cstdio>

namespace rookery::actors {
namespace {

using retriever_pool::GenerationRole;

std::string share(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3g", value);
  return text;
}

}  // namespace

std::string to_string(SwapPhase phase) {
  switch (phase) {
    case SwapPhase::kPrepare:
      return "prepare";
    case SwapPhase::kLoad:
      return "load";
    case SwapPhase::kWarm:
      return "warm";
    case SwapPhase::kCompare:
      return "compare";
    case SwapPhase::kSwitch:
      return "switch";
    case SwapPhase::kDone:
      return "done";
    case SwapPhase::kRollingBack:
      return "rolling back";
    case SwapPhase::kRolledBack:
      break;
  }
  return "rolled back";
}

SwapPlan::SwapPlan(SwapTarget target, SwapTimes times, Time now)
    : target_(std::move(target)), times_(times), since_(now) {}

void SwapPlan::enter(SwapPhase phase, Time now) {
  phase_ = phase;
  since_ = now;
}

bool SwapPlan::late(std::chrono::milliseconds limit, const char* what, Time now) {
  if (now - since_ < limit) return false;
  fail(std::string(what) + " within " + std::to_string(limit.count()) + " ms", now);
  return true;
}

SwapPlan::Action SwapPlan::step(const SwapSight& sight, Time now) {
  // A node that cannot load the generation never will: its files do not change.
  const bool loading = phase_ == SwapPhase::kPrepare || phase_ == SwapPhase::kLoad ||
                       phase_ == SwapPhase::kWarm || phase_ == SwapPhase::kCompare ||
                       phase_ == SwapPhase::kSwitch;
  if (loading && !sight.trouble.empty() && sight.role != GenerationRole::kLive) {
    fail(sight.trouble, now);
  }
  switch (phase_) {
    case SwapPhase::kPrepare:
      if (!sight.wanted) {
        if (late(times_.prepare, "the colony did not take the new generation", now)) break;
        return Action::kAdd;
      }
      enter(SwapPhase::kLoad, now);
      [[fallthrough]];
    case SwapPhase::kLoad:
      if (!sight.wanted) {
        fail("the generation was taken away while it was loading", now);
        break;
      }
      if (!sight.complete) {
        if (late(times_.load, "its processes were not all ready", now)) break;
        return Action::kWait;
      }
      enter(SwapPhase::kWarm, now);
      [[fallthrough]];
    case SwapPhase::kWarm:
      if (late(times_.warm, "its replicas were not warm", now)) break;
      return Action::kWarmUp;
    case SwapPhase::kCompare:
      if (late(times_.warm, "its answers were not compared", now)) break;
      return Action::kCompare;
    case SwapPhase::kSwitch:
      if (sight.wanted && sight.role == GenerationRole::kLive) {
        enter(SwapPhase::kDone, now);
        return Action::kWait;
      }
      if (late(times_.switching, "the colony did not switch to it", now)) break;
      // A replica that was lost meanwhile is waited for: the switch may cost no capacity.
      return sight.complete ? Action::kMakeLive : Action::kWait;
    case SwapPhase::kRollingBack:
      break;
    case SwapPhase::kDone:
    case SwapPhase::kRolledBack:
      return Action::kWait;
  }
  return roll_back(sight, now);
}

SwapPlan::Action SwapPlan::roll_back(const SwapSight& sight, Time now) {
  if (sight.wanted && sight.role == GenerationRole::kLive) {
    // The order to switch was late, not lost. What is live stays.
    reason_.clear();
    enter(SwapPhase::kDone, now);
    return Action::kWait;
  }
  if (!sight.wanted || sight.role == GenerationRole::kRetired) {
    enter(SwapPhase::kRolledBack, now);  // a retired one was there before, and stays as it was
    return Action::kWait;
  }
  return Action::kRemove;
}

void SwapPlan::warmed(Time now) {
  if (phase_ == SwapPhase::kWarm) enter(SwapPhase::kCompare, now);
}

void SwapPlan::compared(std::optional<double> recall, Time now) {
  if (phase_ != SwapPhase::kCompare) return;
  recall_ = recall;
  const std::string remedy = "; to swap all the same, give --recall-min " +
                             (recall ? "at most " + share(*recall) : std::string("0"));
  if (!recall && target_.recall_min > 0) {
    fail("its answers could not be compared with those of the live generation" + remedy, now);
  } else if (recall && !(*recall >= target_.recall_min)) {
    fail("it gives " + share(*recall) + " of the live generation's answers, expected at least " +
             share(target_.recall_min) + remedy,
         now);
  } else {
    enter(SwapPhase::kSwitch, now);
  }
}

void SwapPlan::fail(const std::string& reason, Time now) {
  if (over() || phase_ == SwapPhase::kRollingBack) return;
  reason_ = reason;
  enter(SwapPhase::kRollingBack, now);
}

std::vector<std::string> left_by_a_crash(const std::vector<GenerationState>& generations) {
  std::vector<std::string> left;
  for (const auto& state : generations) {
    if (state.role == GenerationRole::kPreparing) left.push_back(state.generation);
  }
  return left;
}

}  // namespace rookery::actors
