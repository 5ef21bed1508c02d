#pragma once

#include <spdlog/spdlog.h>

#include <memory>
#include <string>

namespace rookery::base {

/// The logger of one folder (`retriever_pool`, `actors`, …), made on first use; writes to standard
/// error. The level is `info`, or what `ROOKERY_LOG` names (trace, debug, info, warn, error, off).
/// Thread-safe.
std::shared_ptr<spdlog::logger> logger(const std::string& folder);

}  // namespace rookery::base
