#pragma once

#include <string>

#include "actors/admin_desk.hpp"
#include "actors/colony_folder.hpp"

namespace rookery::actors {

/// Asks the running head of a colony on this host for an action, with the token of its folder.
/// Returns the head's word, 200 or 202. Throws `UserError` with its words when it refuses, or when
/// the colony is not up.
AdminReply send_admin_request(const ColonyFolder& folder, const AdminRequest& request);

}  // namespace rookery::actors
