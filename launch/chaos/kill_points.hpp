#pragma once

#include <filesystem>

#include "launch/chaos/scenario.hpp"

namespace rookery::launch {

struct KillPointOutcome {
  int points = 0;  ///< system calls that change the disk in an undisturbed build
  int tried = 0, kept_old = 0, have_new = 0;
  int broken = 0;       ///< neither the old nor the new generation was whole and current
  int not_resumed = 0;  ///< a later build did not succeed (tried at every tenth point)
};
/// Builds a second generation beside a first one, killed at each of those calls (a sample of 20 in
/// a brief room). Throws `SkipScenario` where processes cannot be traced.
KillPointOutcome try_kill_points(ScenarioRoom& room);

/// The build itself, in a process of its own that asks to be traced: `rookery chaos --step save`.
void save_step(const std::filesystem::path& name, std::uint64_t seed, bool traced);

}  // namespace rookery::launch
