#pragma once

#include <cstdint>
#include <deque>
#include <mutex>
#include <string>

namespace rookery::actors {

enum class EventLevel { kInfo, kWarn, kError };
std::string to_string(EventLevel level);

/// Something that happened in a colony, in one sentence for people.
struct Event {
  EventLevel level = EventLevel::kInfo;
  std::string text;
  friend bool operator==(const Event&, const Event&) = default;
};

/// The last events of a head; the oldest ones make room. Thread-safe.
class EventLog {
 public:
  static constexpr std::size_t kEventsMax = 1'000;
  static constexpr std::size_t kTextBytesMax = 600;  ///< longer texts are cut

  /// `time_ms`: since the epoch.
  void add(const Event& event, std::int64_t time_ms);
  /// `{"newest":12,"events":[{"seq":12,"time_ms":…,"level":"warn","text":"…"}]}`: those with a
  /// number above `after`, by rising number. Whatever bytes a text has, this is JSON.
  [[nodiscard]] std::string json(std::int64_t after) const;

 private:
  struct Entry {
    std::int64_t seq = 0, time_ms = 0;
    Event event;
  };
  mutable std::mutex mutex_;
  std::deque<Entry> entries_;
  std::int64_t newest_ = 0;
};

}  // namespace rookery::actors
