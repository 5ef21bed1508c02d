#include "base/bus_error.hpp"

#include <signal.h>
#include <unistd.h>

#include <cstring>

#include "base/detail/mapped_regions.hpp"

namespace rookery::base {
namespace {

constexpr int kInputOutputError = 74;

// Only what is safe in a signal handler: no allocation, no locks, no streams.
void say(const char* text) {
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, text, std::strlen(text));
}

void on_bus_error(int number, siginfo_t* info, void*) {
  if (const char* path = detail::mapped_path_of(info->si_addr)) {
    say(path);
    say(": expected the file as it was when it was mapped, but a part of it cannot be read any "
        "more: it was truncated, or its disk failed; restore it and start again\n");
    ::_exit(kInputOutputError);
  }
  ::signal(number, SIG_DFL);  // the instruction runs again, and meets the default
}

}  // namespace

void explain_bus_errors() {
  struct sigaction action {};
  action.sa_sigaction = on_bus_error;
  action.sa_flags = SA_SIGINFO | SA_NODEFER;
  ::sigemptyset(&action.sa_mask);
  ::sigaction(SIGBUS, &action, nullptr);
}

}  // namespace rookery::base
