#pragma once

#include "base/http_server.hpp"

#include <boost/asio/ssl/context.hpp>

#include <atomic>

namespace rookery::base::detail {

/// What a connection shares with the server.
struct ConnectionState {
  const std::atomic<bool>& stop;
  std::atomic<bool>& waiting;  ///< set while no request has come (any more) that is to be answered
  boost::asio::ssl::context* tls = nullptr;  ///< null: plain HTTP
};

/// Serves one accepted connection on the calling thread until either side closes it, a time-out
/// passes, or `stop` is set and the socket was shut down. Never throws.
void serve_connection(int descriptor, bool is_v6, const HttpServerOptions& options,
                      const HttpHandler& handler, const ConnectionState& state);

}  // namespace rookery::base::detail
