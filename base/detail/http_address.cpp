#include "base/detail/http_address.hpp"

#include "base/error.hpp"

#include <boost/asio/io_context.hpp>

#include <charconv>
#include <cstdint>
#include <system_error>

namespace rookery::base::detail {

namespace asio = boost::asio;

asio::ip::tcp::endpoint resolve_address(const std::string& address) {
  const auto refuse = [&] {
    throw UserError("expected an address host:port, got '" + address + "'");
  };
  const auto colon = address.rfind(':');
  if (colon == std::string::npos || colon == 0) refuse();
  auto host = address.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string::npos) {
    refuse();
  }
  std::uint16_t port = 0;
  const char* const begin = address.data() + colon + 1;
  const char* const end = address.data() + address.size();
  const auto [stopped, code] = std::from_chars(begin, end, port);
  if (code != std::errc() || stopped != end || host.empty()) refuse();

  boost::system::error_code error;
  const auto numeric = asio::ip::make_address(host, error);
  if (!error) return {numeric, port};
  asio::io_context context;
  asio::ip::tcp::resolver resolver(context);
  const auto found = resolver.resolve(host, std::to_string(port), error);
  if (error || found.empty()) {
    throw UserError(address + ": the host is not known: " + error.message());
  }
  // Names such as localhost have an IPv6 address too; our servers listen on IPv4 by default.
  for (const auto& entry : found) {
    if (entry.endpoint().address().is_v4()) return entry.endpoint();
  }
  return found.begin()->endpoint();
}

}  // namespace rookery::base::detail
