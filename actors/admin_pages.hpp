#pragma once

#include <memory>

#include "actors/status_board.hpp"
#include "base/http_server.hpp"
#include "base/metrics.hpp"

namespace rookery::actors {

/// The head's HTTP pages: `/healthz`, `/readyz` (503 until every shard is served), `/metrics`,
/// `/v1/view` (as clients get it) and `/v1/status` (with agents, restarts, reasons). GET only.
/// `metrics` outlives the handler.
base::HttpHandler make_admin_pages(std::shared_ptr<StatusBoard> board, base::Metrics& metrics);

}  // namespace rookery::actors
