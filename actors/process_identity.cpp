#include "actors/process_identity.hpp"

#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <sstream>
#include <utility>

#include "actors/detail/pidfd.hpp"

namespace rookery::actors {

namespace {

struct Stat {
  char state = 'X';
  std::int64_t start_ticks = 0;
};

/// Fields 3 and 22 of /proc/PID/stat. The name (field 2) may hold blanks and brackets, so that the
/// fields are counted from the last ')'.
Stat read_stat(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string line;
  if (pid <= 0 || !std::getline(file, line)) return {};
  const auto bracket = line.rfind(')');
  if (bracket == std::string::npos) return {};
  std::istringstream fields(line.substr(bracket + 1));
  Stat stat;
  fields >> stat.state;
  std::string skipped;
  for (int field = 4; field < 22; ++field) fields >> skipped;
  fields >> stat.start_ticks;
  return fields ? stat : Stat{};
}

const std::string& boot_id() {
  static const std::string id = [] {
    std::ifstream file("/proc/sys/kernel/random/boot_id");
    std::string text;
    std::getline(file, text);
    return text;
  }();
  return id;
}

/// Refers to one process for good: signals cannot hit its pid's next owner.
class PidDescriptor {
 public:
  explicit PidDescriptor(const ProcessIdentity& process)
      : descriptor_(process.pid > 0 ? detail::open_pidfd(process.pid) : -1) {
    // Checked after opening: from here on the descriptor and the check mean the same process.
    if (descriptor_ >= 0 && !process.alive()) {
      close(descriptor_);
      descriptor_ = -1;
    }
  }
  ~PidDescriptor() {
    if (descriptor_ >= 0) close(descriptor_);
  }
  PidDescriptor(const PidDescriptor&) = delete;
  PidDescriptor& operator=(const PidDescriptor&) = delete;
  [[nodiscard]] bool valid() const { return descriptor_ >= 0; }
  void send(int signal_number) const { detail::signal_pidfd(descriptor_, signal_number); }
  [[nodiscard]] bool wait(std::chrono::milliseconds timeout) const {
    const auto end = std::chrono::steady_clock::now() + timeout;
    for (;;) {
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
          end - std::chrono::steady_clock::now());
      pollfd entry{descriptor_, POLLIN, 0};
      const int ready = poll(&entry, 1, static_cast<int>(std::max<std::int64_t>(left.count(), 0)));
      if (ready > 0) return true;
      if (left.count() <= 0) return false;
    }
  }

 private:
  int descriptor_;
};

}  // namespace

ProcessIdentity ProcessIdentity::of(pid_t pid) {
  return {pid, read_stat(pid).start_ticks, boot_id()};
}

ProcessIdentity ProcessIdentity::self() { return of(getpid()); }

bool ProcessIdentity::alive() const {
  if (pid <= 0 || start_ticks == 0 || boot != boot_id()) return false;
  const auto stat = read_stat(pid);
  return stat.start_ticks == start_ticks && stat.state != 'Z' && stat.state != 'X';
}

bool wait_for_end(const ProcessIdentity& process, std::chrono::milliseconds timeout) {
  const PidDescriptor descriptor(process);
  return !descriptor.valid() || descriptor.wait(timeout);
}

StopResult stop_process(const ProcessIdentity& process, std::chrono::milliseconds grace) {
  const PidDescriptor descriptor(process);
  if (!descriptor.valid()) return StopResult::kNotRunning;
  descriptor.send(SIGTERM);
  if (descriptor.wait(grace)) return StopResult::kTerminated;
  descriptor.send(SIGKILL);
  static_cast<void>(descriptor.wait(std::chrono::seconds(5)));
  return StopResult::kKilled;
}

}  // namespace rookery::actors
