#include "base/trace.hpp"

#include <fcntl.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <random>
#include <thread>

#include "base/error.hpp"

namespace rookery::base {

namespace {

constexpr std::size_t kDetailBytesMax = 256;

/// How many bytes the UTF-8 character at `at` has; 0 where there is none.
std::size_t character_bytes(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
  };
  const unsigned lead = byte(at);
  const std::size_t count = lead < 0x80                   ? 1
                            : lead >= 0xC2 && lead < 0xE0 ? 2
                            : lead >= 0xE0 && lead < 0xF0 ? 3
                            : lead >= 0xF0 && lead < 0xF5 ? 4
                                                          : 0;
  for (std::size_t i = 1; i < count; ++i) {
    if ((byte(at + i) & 0xC0U) != 0x80U) return 0;
  }
  // Overlong forms, surrogates, and what lies beyond Unicode.
  const unsigned second = byte(at + 1);
  if ((lead == 0xE0 && second < 0xA0) || (lead == 0xED && second >= 0xA0) ||
      (lead == 0xF0 && second < 0x90) || (lead == 0xF4 && second >= 0x90)) {
    return 0;
  }
  return count;
}

/// A JSON string of any bytes: what is not UTF-8 becomes U+FFFD.
void append_json(std::string& out, std::string_view text) {
  out += '"';
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t count = character_bytes(text, at);
    const char c = text[at];
    if (count == 0) {
      out += "\\ufffd";
    } else if (count > 1) {
      out += text.substr(at, count);
    } else if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      std::array<char, 8> code{};
      std::snprintf(code.data(), code.size(), "\\u%04x", static_cast<unsigned>(c));
      out += code.data();
    } else {
      out += c;
    }
    at += count == 0 ? 1 : count;
  }
  out += '"';
}

/// Microseconds with three digits behind the point, as the format wants them.
void append_microseconds(std::string& out, std::chrono::nanoseconds time) {
  const auto count = time.count() < 0 ? 0 : time.count();
  std::array<char, 40> text{};
  std::snprintf(text.data(), text.size(), "%lld.%03lld", static_cast<long long>(count / 1000),
                static_cast<long long>(count % 1000));
  out += text.data();
}

pid_t thread_id() {
  static thread_local const auto id = static_cast<pid_t>(::syscall(SYS_gettid));
  return id;
}

std::uint64_t next_serial() {
  static std::atomic<std::uint64_t> serial{0};
  return ++serial;
}

}  // namespace

struct Trace::Impl {
  TraceOptions options;
  int descriptor = -1;
  std::uint64_t serial = next_serial();
  std::string pid = std::to_string(::getpid());
  mutable std::mutex mutex;  // guards what follows
  std::condition_variable wake;
  std::string buffer;
  std::int64_t file_bytes = 0;
  std::int64_t lost = 0;
  bool stopping = false;
  std::thread writer;

  /// `{"ph":"X","pid":1,"tid":2`, of the calling thread.
  [[nodiscard]] std::string begin_event(char phase) const {
    std::string event = R"({"ph":")";
    event += phase;
    event += R"(","pid":)" + pid + R"(,"tid":)" + std::to_string(thread_id());
    return event;
  }

  /// Names the calling thread the first time that it speaks.
  void introduce_thread() {
    static thread_local std::uint64_t introduced_to = 0;
    if (introduced_to == serial) return;
    introduced_to = serial;
    std::array<char, 16> name{};
    if (::pthread_getname_np(::pthread_self(), name.data(), name.size()) != 0) return;
    std::string event = begin_event('M') + R"(,"name":"thread_name","args":{"name":)";
    append_json(event, name.data());
    append(event + "}}");
  }

  void append(const std::string& event) {
    const std::lock_guard lock(mutex);
    const auto bytes = static_cast<std::int64_t>(buffer.size() + event.size() + 2);
    if (bytes > options.buffer_bytes_max || file_bytes + bytes > options.file_bytes_max) {
      ++lost;
      return;
    }
    // The comma stands before an event, never behind the last one, so that the file is sound up to
    // wherever it ends.
    buffer += ",\n";
    buffer += event;
    if (static_cast<std::int64_t>(buffer.size()) > options.buffer_bytes_max / 2) wake.notify_one();
  }

  void write_all(std::string_view text) const {
    while (!text.empty()) {
      const auto written = ::write(descriptor, text.data(), text.size());
      if (written < 0 && errno == EINTR) continue;
      if (written <= 0) return;  // a full disk ends the trace, not the process
      text.remove_prefix(static_cast<std::size_t>(written));
    }
  }

  void write_until_stopped() {
    ::pthread_setname_np(::pthread_self(), "trace");
    std::unique_lock lock(mutex);
    for (;;) {
      wake.wait_for(lock, options.flush_every, [&] {
        return stopping || static_cast<std::int64_t>(buffer.size()) > options.buffer_bytes_max / 2;
      });
      const std::string batch = std::exchange(buffer, {});
      file_bytes += static_cast<std::int64_t>(batch.size());
      const bool last = stopping;
      lock.unlock();
      write_all(batch);
      lock.lock();
      if (last) return;
    }
  }
};

Trace::Trace(const std::filesystem::path& file, std::string_view process_name, TraceOptions options)
    : impl_(std::make_unique<Impl>()) {
  impl_->options = options;
  impl_->descriptor = ::open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (impl_->descriptor < 0) {
    throw UserError(file.string() + ": expected a file that can be written for the trace, got: " +
                    std::strerror(errno));
  }
  std::string event = "[\n" + impl_->begin_event('M') + R"(,"name":"process_name","args":{"name":)";
  append_json(event, process_name);
  impl_->buffer = event + "}}";
  impl_->writer = std::thread([this] { impl_->write_until_stopped(); });
}

Trace::~Trace() {
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->stopping = true;
  }
  impl_->wake.notify_one();
  impl_->writer.join();
  if (impl_->lost > 0) {
    impl_->write_all(",\n" + impl_->begin_event('M') +
                     R"(,"name":"dropped_events","args":{"count":)" + std::to_string(impl_->lost) +
                     "}}");
  }
  impl_->write_all("\n]\n");
  ::close(impl_->descriptor);
}

void Trace::span(std::string_view category, std::string_view name, Time begin, Time end,
                 std::uint64_t id, std::string_view detail) {
  impl_->introduce_thread();
  std::string event = impl_->begin_event('X') + R"(,"ts":)";
  append_microseconds(event, begin.time_since_epoch());
  event += R"(,"dur":)";
  append_microseconds(event, end - begin);
  event += R"(,"cat":)";
  append_json(event, category);
  event += R"(,"name":)";
  append_json(event, name);
  std::array<char, 24> hex{};
  if (id != 0) {
    std::snprintf(hex.data(), hex.size(), "\"0x%llx\"", static_cast<unsigned long long>(id));
    // An arrow from span to span of one request, also between processes.
    event += R"(,"bind_id":)";
    event += hex.data();
    event += R"(,"flow_in":true,"flow_out":true)";
  }
  if (id != 0 || !detail.empty()) {
    event += R"(,"args":{)";
    if (id != 0) event += std::string(R"("trace":)") + hex.data();
    if (!detail.empty()) {
      event += id != 0 ? R"(,"detail":)" : R"("detail":)";
      append_json(event, detail.substr(0, kDetailBytesMax));
    }
    event += '}';
  }
  impl_->append(event + "}");
}

void Trace::instant(std::string_view category, std::string_view name, std::string_view detail) {
  impl_->introduce_thread();
  std::string event = impl_->begin_event('i') + R"(,"s":"p","ts":)";
  append_microseconds(event, std::chrono::steady_clock::now().time_since_epoch());
  event += R"(,"cat":)";
  append_json(event, category);
  event += R"(,"name":)";
  append_json(event, name);
  if (!detail.empty()) {
    event += R"(,"args":{"detail":)";
    append_json(event, detail.substr(0, kDetailBytesMax));
    event += '}';
  }
  impl_->append(event + "}");
}

std::int64_t Trace::dropped() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->lost;
}

std::uint64_t Trace::new_id() {
  static thread_local std::mt19937_64 random((std::uint64_t{std::random_device{}()} << 32) ^
                                             std::random_device{}());
  for (;;) {
    if (const auto id = random(); id != 0) return id;
  }
}

}  // namespace rookery::base
