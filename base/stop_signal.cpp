#include "base/stop_signal.hpp"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <stdexcept>
#include <system_error>

namespace rookery::base {

namespace {

// What a signal handler may touch: lock-free, and never freed while a handler could run.
std::atomic<bool> stop_requested{false};
std::atomic<int> stop_descriptor{-1};
struct sigaction before_interrupt {};
struct sigaction before_terminate {};

void on_signal(int) {
  const int saved = errno;
  stop_requested.store(true);
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write(stop_descriptor.load(), &one, sizeof one);
  errno = saved;
}

}  // namespace

StopSignal::StopSignal() {
  if (stop_descriptor.load() >= 0) throw std::logic_error("StopSignal: there is one already");
  // An event descriptor that nobody reads stays readable, so that every poll loop sees the stop.
  const int descriptor = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (descriptor < 0) throw std::system_error(errno, std::generic_category(), "eventfd");
  stop_requested.store(false);
  stop_descriptor.store(descriptor);
  // A handler, not a signalfd: a blocked mask would be inherited by the programs that we start.
  struct sigaction action {};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;
  ::sigemptyset(&action.sa_mask);
  ::sigaction(SIGINT, &action, &before_interrupt);
  ::sigaction(SIGTERM, &action, &before_terminate);
}

StopSignal::~StopSignal() {
  ::sigaction(SIGINT, &before_interrupt, nullptr);
  ::sigaction(SIGTERM, &before_terminate, nullptr);
  ::close(stop_descriptor.exchange(-1));
}

bool StopSignal::requested() const { return stop_requested.load(); }

bool StopSignal::wait(std::chrono::milliseconds timeout) const {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  while (!requested()) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        deadline - std::chrono::steady_clock::now());
    if (left.count() <= 0) break;
    pollfd entry{descriptor(), POLLIN, 0};
    ::poll(&entry, 1, static_cast<int>(std::min<std::int64_t>(left.count() + 1, 1'000'000)));
  }
  return requested();
}

int StopSignal::descriptor() const { return stop_descriptor.load(); }

}  // namespace rookery::base
