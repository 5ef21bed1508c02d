#include "actors/watch_address.hpp"

#include "actors/pool_options.hpp"
#include "base/error.hpp"

namespace rookery::actors {

void check_watch_address(const base::ProcessWatchOptions& watch, bool insecure) {
  if (watch.http.empty() || insecure || !watch.tls.empty()) return;
  const auto host = watch.http.substr(0, watch.http.rfind(':'));
  if (is_loopback(host) || host == "localhost" || host == "[::1]") return;
  throw base::UserError(
      "--http: expected an address in 127.0.0.0/8, because these pages have no TLS, got '" +
      watch.http + "'; in a network you trust add --insecure");
}

}  // namespace rookery::actors
