#pragma once

#include <memory>

#include "actors/colony_observer.hpp"
#include "actors/status_board.hpp"
#include "base/http_server.hpp"
#include "base/metrics.hpp"

namespace rookery::actors {

/// The head's HTTP pages: `/` (the dashboard), `/healthz`, `/readyz` (503 until every shard is
/// served), `/metrics`, `/v1/view` (as clients get it), `/v1/status` (with agents, restarts,
/// reasons), `/v1/history?seconds=3600&after=MS` and `/v1/events?after=SEQ`. GET only. `metrics`
/// outlives the handler.
base::HttpHandler make_admin_pages(std::shared_ptr<StatusBoard> board,
                                   std::shared_ptr<const ColonyObserver> observer,
                                   base::Metrics& metrics);

}  // namespace rookery::actors
