#pragma once

#include "base/process_watch.hpp"

namespace rookery::actors {

/// Throws `UserError` for pages beyond loopback that have no TLS, unless `insecure`: they tell
/// anyone who asks what a process does (law 5).
void check_watch_address(const base::ProcessWatchOptions& watch, bool insecure);

}  // namespace rookery::actors
