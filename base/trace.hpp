#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace rookery::base {

struct TraceOptions {
  std::int64_t buffer_bytes_max = 4 << 20;              ///< of events that wait to be written
  std::int64_t file_bytes_max = std::int64_t{1} << 30;  ///< of the whole file
  std::chrono::milliseconds flush_every{100};           ///< what a crash may lose at most
};

/// Writes one trace file that Perfetto and chrome://tracing open (Trace Event Format, JSON). Times
/// are of the monotonic clock, so that files of one host can be laid side by side. Thread-safe;
/// bounded: what exceeds the buffer before it is written, or the file's size, is dropped and
/// counted. Every event is one line, written whole: a crash leaves a file without its last bracket,
/// which the format allows. Source: "Trace Event Format", the JSON array format.
class Trace {
 public:
  using Time = std::chrono::steady_clock::time_point;
  /// Throws `UserError` when the file cannot be written, naming it.
  Trace(const std::filesystem::path& file, std::string_view process_name,
        TraceOptions options = {});
  ~Trace();  ///< Writes what is left and closes the file.
  Trace(const Trace&) = delete;
  Trace& operator=(const Trace&) = delete;

  /// Something that took from `begin` to `end` on this thread. `id` ties the parts of one request
  /// together over processes (0: none); `detail` is shown with it, its first 256 bytes.
  void span(std::string_view category, std::string_view name, Time begin, Time end,
            std::uint64_t id = 0, std::string_view detail = {});
  /// Something that happened at one moment.
  void instant(std::string_view category, std::string_view name, std::string_view detail = {});

  /// Events that were dropped so far.
  [[nodiscard]] std::int64_t dropped() const;

  /// For a request whose parts shall be tied together: random, never 0.
  static std::uint64_t new_id();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// A span from its construction to its destruction; nothing without a trace. Use on one thread.
class TraceSpan {
 public:
  /// `category` and `name` are literals, or outlive the span.
  TraceSpan(Trace* trace, std::string_view category, std::string_view name, std::uint64_t id = 0)
      : trace_(trace), category_(category), name_(name), id_(id) {
    if (trace_ != nullptr) begin_ = std::chrono::steady_clock::now();
  }
  ~TraceSpan() {
    if (trace_ == nullptr) return;
    trace_->span(category_, name_, begin_, std::chrono::steady_clock::now(), id_, detail_);
  }
  TraceSpan(const TraceSpan&) = delete;
  TraceSpan& operator=(const TraceSpan&) = delete;
  void detail(std::string text) { detail_ = std::move(text); }

 private:
  Trace* trace_;
  std::string_view category_, name_;
  std::uint64_t id_;
  Trace::Time begin_;
  std::string detail_;
};

}  // namespace rookery::base
