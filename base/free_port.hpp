#pragma once

#include <cstdint>

namespace rookery::base {

/// A TCP port of 127.0.0.1 that was free a moment ago, for a program that must be told its port
/// before it can bind one. Whoever can take port 0 should. Throws `UserError` when there is none.
std::uint16_t free_port();

}  // namespace rookery::base
