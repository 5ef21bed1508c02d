#pragma once

#include "actors/head_setup.hpp"
#include "base/stop_signal.hpp"

namespace rookery::actors {

/// `rookery head`: registry, supervisor, routing views and the admin pages, until a signal comes.
/// Nodes and clients go on without it; its successor has the next term and rebuilds the view.
/// Throws `UserError` for a snapshot that is missing or damaged, a count of shards that is not the
/// snapshot's, a port in use, or a colony that has a head already.
void run_head(const HeadOptions& options, const base::StopSignal& stop);

}  // namespace rookery::actors
