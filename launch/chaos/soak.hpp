#pragma once

#include <functional>

#include "launch/chaos/scenario.hpp"

namespace rookery::launch {

/// F33: half of the capacity as load, one random fault after another (kills, stops, delays, cuts,
/// partitions, loss, overload), for `minutes`. Memory, descriptors and threads of head, agent, the
/// nodes that were never killed, and the clients' process are compared with what they were after
/// the first tenth. `tick(seconds, fault)` is called about once a second.
void run_soak(ScenarioRoom& room, ScenarioReport& report, double minutes,
              const std::function<void(double seconds, const std::string& fault)>& tick);

}  // namespace rookery::launch
