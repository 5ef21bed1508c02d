#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "retriever_pool/routing_view.hpp"

namespace rookery::actors {

/// Where a swap stands. From each phase before `kDone` it may go to `kRollingBack`, with a reason.
///
///     prepare ─ load ─ warm ─ compare ─ switch ─ done        the old generation is retired now
///        └───────┴───────┴───────┴────────┴──── rolling back ─ rolled back
enum class SwapPhase {
  kPrepare,      ///< processes of the new generation are wanted beside the old ones
  kLoad,         ///< they load and check their shards
  kWarm,         ///< every replica answers stored queries
  kCompare,      ///< its answers against those of the live generation
  kSwitch,       ///< it becomes the live one, in one step
  kDone,         ///< the new one is live, the old one retired
  kRollingBack,  ///< the new one is taken away; the old one was live all the time
  kRolledBack,
};
std::string to_string(SwapPhase phase);  ///< "prepare", …, "rolled back"

struct SwapTarget {
  std::string index, generation;
  double recall_min = 0.5;  ///< share of the old answers, [0, 1]; 0: any will do
};

/// How long a phase may take before the swap is rolled back.
struct SwapTimes {
  std::chrono::milliseconds prepare{10'000}, load{600'000}, warm{120'000}, switching{30'000};
};

/// What the head sees of the new generation at one moment.
struct SwapSight {
  bool wanted = false;  ///< the wanted state has it
  retriever_pool::GenerationRole role = retriever_pool::GenerationRole::kPreparing;
  bool complete = false;  ///< every wanted replica is ready
  std::string trouble;    ///< why a process of it cannot load; empty: none has such a trouble
};

/// The course of one swap. Pure: sees what it is shown, says what is to be done next, and is told
/// how that went. What is to be done may be done again, so that a lost order does no harm.
class SwapPlan {
 public:
  using Time = std::chrono::steady_clock::time_point;
  SwapPlan(SwapTarget target, SwapTimes times, Time now);

  enum class Action {
    kWait,     ///< look again a little later
    kAdd,      ///< want the generation, as a preparing one
    kWarmUp,   ///< then call `warmed`
    kCompare,  ///< then call `compared`
    kMakeLive,
    kRemove,  ///< want the generation no more
  };
  Action step(const SwapSight& sight, Time now);
  void warmed(Time now);
  /// `recall`: share of the live generation's answers that the new one gave too; nothing when there
  /// was nothing to compare with, which does for a minimum of 0 only.
  void compared(std::optional<double> recall, Time now);
  /// The last action failed, or somebody wants no swap any more: it is rolled back, unless it is
  /// done.
  void fail(const std::string& reason, Time now);

  [[nodiscard]] SwapPhase phase() const { return phase_; }
  [[nodiscard]] bool over() const {
    return phase_ == SwapPhase::kDone || phase_ == SwapPhase::kRolledBack;
  }
  [[nodiscard]] const std::string& reason() const { return reason_; }  ///< of rolling back
  [[nodiscard]] const SwapTarget& target() const { return target_; }
  [[nodiscard]] std::optional<double> recall() const { return recall_; }

 private:
  void enter(SwapPhase phase, Time now);
  Action roll_back(const SwapSight& sight, Time now);
  bool late(std::chrono::milliseconds limit, const char* what, Time now);
  SwapTarget target_;
  SwapTimes times_;
  SwapPhase phase_ = SwapPhase::kPrepare;
  Time since_;
  std::string reason_;
  std::optional<double> recall_;
};

/// A generation of one index, for the two functions below.
struct GenerationState {
  std::string generation;
  retriever_pool::GenerationRole role = retriever_pool::GenerationRole::kLive;
};

/// What a new head takes away because its predecessor ended in the middle of a swap: preparing
/// generations, whose figures nobody knows. After the switch there is nothing to mend: that was one
/// step, and the old generation is a retired one like any other.
std::vector<std::string> left_by_a_crash(const std::vector<GenerationState>& generations);

}  // namespace rookery::actors
