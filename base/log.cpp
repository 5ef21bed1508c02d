#include "base/log.hpp"

#include <spdlog/sinks/stdout_color_sinks.h>

#include <array>
#include <cstdlib>
#include <map>
#include <mutex>
#include <string_view>

namespace rookery::base {

namespace {

struct LevelName {
  std::string_view name;
  spdlog::level::level_enum level;
};
constexpr std::array<LevelName, 6> kLevels{{{"trace", spdlog::level::trace},
                                            {"debug", spdlog::level::debug},
                                            {"info", spdlog::level::info},
                                            {"warn", spdlog::level::warn},
                                            {"error", spdlog::level::err},
                                            {"off", spdlog::level::off}}};

/// Reads `ROOKERY_LOG` once; one sink for all folders keeps lines whole.
struct Loggers {
  std::shared_ptr<spdlog::sinks::stderr_color_sink_mt> sink =
      std::make_shared<spdlog::sinks::stderr_color_sink_mt>();
  spdlog::level::level_enum level = spdlog::level::info;
  std::string unknown_level;
  std::mutex mutex;
  std::map<std::string, std::shared_ptr<spdlog::logger>> by_folder;

  Loggers() {
    const char* wanted = std::getenv("ROOKERY_LOG");
    if (wanted == nullptr || *wanted == '\0') return;
    for (const auto& entry : kLevels) {
      if (entry.name == wanted) {
        level = entry.level;
        return;
      }
    }
    unknown_level = wanted;
  }
};

Loggers& loggers() {
  // Never destroyed: threads that end after `main` may still log.
  static auto* const all = new Loggers;
  return *all;
}

}  // namespace

std::shared_ptr<spdlog::logger> logger(const std::string& folder) {
  auto& all = loggers();
  const std::scoped_lock lock(all.mutex);
  auto& entry = all.by_folder[folder];
  if (!entry) {
    entry = std::make_shared<spdlog::logger>(folder, all.sink);
    entry->set_pattern("%H:%M:%S.%e %^%l%$ %n: %v");
    entry->set_level(all.level);
    entry->flush_on(spdlog::level::trace);
    if (!all.unknown_level.empty()) {
      entry->warn("ROOKERY_LOG: expected trace, debug, info, warn, error or off, got '{}'",
                  all.unknown_level);
      all.unknown_level.clear();
    }
  }
  return entry;
}

}  // namespace rookery::base
