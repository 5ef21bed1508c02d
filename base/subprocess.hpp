#pragma once

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace rookery::base {

struct SubprocessOptions {
  std::vector<std::string> command;                ///< argv; [0] is a path or a name on PATH
  std::map<std::string, std::string> environment;  ///< added to ours
  std::filesystem::path log;  ///< standard output and error are appended here; empty: inherited
  bool capture_output =
      false;  ///< standard output is kept for `output` (then `log` gets only errors)
  bool die_with_parent = true;  ///< the kernel kills it when the thread that started it ends
  bool new_session = false;     ///< a daemon: survives our terminal
};

/// How a process ended: its exit code, or 128 + the signal's number.
using ExitCode = int;

/// One child process, started with fork and exec. The destructor kills and reaps a child that still
/// runs, unless it was `released`. Use from one thread.
class Subprocess {
 public:
  /// Throws `UserError` when the program cannot be executed.
  explicit Subprocess(SubprocessOptions options);
  ~Subprocess();
  Subprocess(Subprocess&& other) noexcept;
  Subprocess& operator=(Subprocess&& other) noexcept;
  [[nodiscard]] pid_t pid() const { return pid_; }
  /// The exit code when it has ended, without waiting.
  std::optional<ExitCode> poll();
  /// Waits at most `timeout`; nothing when it still runs.
  std::optional<ExitCode> wait(std::chrono::milliseconds timeout);
  ExitCode wait();
  void signal(int number) const;
  /// SIGTERM, then SIGKILL after `grace`.
  ExitCode terminate(std::chrono::milliseconds grace);
  /// Everything on standard output so far (with `capture_output`); reads to the end when it has
  /// ended.
  const std::string& output();
  /// Leaves the child running; this object forgets it.
  void release();

 private:
  pid_t pid_ = -1;
  int output_descriptor_ = -1;
  std::optional<ExitCode> ended_;
  std::string output_;
};

/// The folder of the running executable, where `rookery` and `rookery-torch` lie side by side.
std::filesystem::path executable_folder();

}  // namespace rookery::base
