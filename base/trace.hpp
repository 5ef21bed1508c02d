#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string_view>

namespace rookery::base {

/// Writes one trace file that Perfetto and chrome://tracing open (Trace Event Format, JSON). Times
/// are of the monotonic clock, so that files of one host can be laid side by side. Thread-safe;
/// bounded: what exceeds the buffer before it is written is dropped and counted.
class Trace {
 public:
  using Time = std::chrono::steady_clock::time_point;
  /// Throws `UserError` when the file cannot be written, naming it.
  Trace(const std::filesystem::path& file, std::string_view process_name);
  ~Trace();  ///< Writes what is left and closes the file.
  Trace(const Trace&) = delete;
  Trace& operator=(const Trace&) = delete;

  /// Something that took from `begin` to `end` on this thread. `id` ties the parts of one request
  /// together over processes (0: none); `detail` is shown with it.
  void span(std::string_view category, std::string_view name, Time begin, Time end,
            std::uint64_t id = 0, std::string_view detail = {});
  /// Something that happened at one moment.
  void instant(std::string_view category, std::string_view name, std::string_view detail = {});

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace rookery::base
