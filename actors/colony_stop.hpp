#pragma once

#include <chrono>
#include <cstdint>

#include "actors/colony_folder.hpp"

namespace rookery::actors {

/// Stops what runs of a colony on this host, and only that: the agent first (it stops its nodes),
/// nodes that outlived it, then the head. Returns how many processes it stopped. `grace` is a
/// process's time between SIGTERM and SIGKILL.
std::int32_t stop_colony(const ColonyFolder& folder,
                         std::chrono::milliseconds grace = std::chrono::seconds(10));

}  // namespace rookery::actors
