#pragma once

#include "base/http_server.hpp"

#include <atomic>

namespace rookery::base::detail {

/// Serves one accepted connection on the calling thread until either side closes it, a time-out
/// passes, or `stop` is set and the socket was shut down. Never throws.
void serve_connection(int descriptor, bool is_v6, const HttpServerOptions& options,
                      const HttpHandler& handler, const std::atomic<bool>& stop);

}  // namespace rookery::base::detail
