#pragma once

#include <boost/asio/ip/tcp.hpp>

#include <string>

namespace rookery::base::detail {

/// Turns `host:port` or `[::1]:port` into an endpoint; the host may be a name (then the resolver
/// blocks). Throws `UserError` when the text has another form or the name is unknown.
boost::asio::ip::tcp::endpoint resolve_address(const std::string& address);

}  // namespace rookery::base::detail
