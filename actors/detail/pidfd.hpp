#pragma once

#include <signal.h>
#include <sys/types.h>

// glibc 2.36 declares these without C linkage, so that C++ would look for mangled names.
extern "C" {
#include <sys/pidfd.h>
}

namespace rookery::actors::detail {

/// A descriptor of a process that cannot come to mean another one; -1 when there is none.
inline int open_pidfd(pid_t pid) { return ::pidfd_open(pid, 0); }

/// False when the process has ended.
inline bool signal_pidfd(int descriptor, int number) {
  return ::pidfd_send_signal(descriptor, number, nullptr, 0) == 0;
}

}  // namespace rookery::actors::detail
