#pragma once

#include <vector>

#include "actors/colony_status.hpp"
#include "actors/event_log.hpp"

namespace rookery::actors {

/// What happened between two looks at one colony, as sentences for people: nodes that joined,
/// became ready, drained, ended or came back; refusals; agents; generations that came, went live or
/// retired; replicas wanted; operations. Pure.
std::vector<Event> status_changes(const ColonyStatus& before, const ColonyStatus& after);

}  // namespace rookery::actors
