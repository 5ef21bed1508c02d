#include "actors/event_log.hpp"

#include <nlohmann/json.hpp>

namespace rookery::actors {

std::string to_string(EventLevel level) {
  switch (level) {
    case EventLevel::kInfo:
      return "info";
    case EventLevel::kWarn:
      return "warn";
    case EventLevel::kError:
      return "error";
  }
  return "info";
}

void EventLog::add(const Event& event, std::int64_t time_ms) {
  const std::lock_guard lock(mutex_);
  entries_.push_back({++newest_, time_ms, {event.level, event.text.substr(0, kTextBytesMax)}});
  if (entries_.size() > kEventsMax) entries_.pop_front();
}

std::string EventLog::json(std::int64_t after) const {
  using Json = nlohmann::json;
  const std::lock_guard lock(mutex_);
  Json events = Json::array();
  for (const auto& entry : entries_) {
    if (entry.seq <= after) continue;
    events.push_back({{"seq", entry.seq},
                      {"time_ms", entry.time_ms},
                      {"level", to_string(entry.event.level)},
                      {"text", entry.event.text}});
  }
  return Json{{"newest", newest_}, {"events", events}}.dump(-1, ' ', false,
                                                            Json::error_handler_t::replace);
}

}  // namespace rookery::actors
