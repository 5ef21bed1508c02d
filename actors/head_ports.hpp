#pragma once

#include <string>

#include "base/error.hpp"
#include "base/log.hpp"

namespace rookery::actors {

/// The port behind the last colon, 0 when there is none.
int port_of(const std::string& address);

/// Opens a port: the configured one, or (when that is 0) the one of the last term, so that clients
/// and agents find the new head where the old one was, or else any free one.
template <class Open>
auto open_port(int configured, int last, Open open) {
  if (configured != 0) return open(configured);
  if (last != 0) {
    try {
      return open(last);
    } catch (const base::UserError& error) {
      base::logger("actors")->info("head: the last port is taken, another one it is: {}",
                                   error.what());
    }
  }
  return open(0);
}

}  // namespace rookery::actors
