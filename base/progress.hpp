#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace rookery::base {

/// True when `stream_descriptor` is a terminal and `NO_COLOR`/`TERM=dumb` do not forbid decoration.
bool decorated(int stream_descriptor);

/// A progress bar on standard error: drawn on a terminal only, at most ten times a second;
/// elsewhere one line when the work is done. Use from one thread.
class Progress {
 public:
  Progress(std::string label, std::int64_t total, std::string unit);
  ~Progress();  ///< Ends the line, so that what follows starts on a fresh one.
  void update(std::int64_t done, const std::string& note = "");
  void finish(const std::string& note = "");

 private:
  void draw(const std::string& note);
  std::string label_, unit_;
  std::int64_t total_, done_ = 0;
  std::chrono::steady_clock::time_point begin_, drawn_;
  bool terminal_, finished_ = false;
};

}  // namespace rookery::base
