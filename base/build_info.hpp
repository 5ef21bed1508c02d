#pragma once

#include <string>

namespace rookery::base {

/// "0.1.0".
std::string build_version();
/// Of the source tree when it was configured, "97689ad"; "unknown" outside of git.
std::string build_commit();

}  // namespace rookery::base
