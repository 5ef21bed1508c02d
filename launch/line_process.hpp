#pragma once

#include <sys/types.h>

#include <chrono>
#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

namespace rookery::launch {

struct LineProcessOptions {
  std::vector<std::string> command;                ///< argv; [0] is a path
  std::map<std::string, std::string> environment;  ///< instead of, or added to, ours
  std::string name;                                ///< for messages
  bool quiet = false;                              ///< its standard error goes nowhere
  /// How long it may take to end by itself when its input has ended.
  std::chrono::milliseconds grace{500};
};

/// A child that speaks lines of JSON: a rival's script, a trainer or a server of a benchmark. Its
/// first line is "ready", maybe with words behind. It dies with us. Use from one thread.
class LineProcess {
 public:
  /// Does not wait for "ready". Throws `UserError` when no process can be made.
  explicit LineProcess(const LineProcessOptions& options);
  ~LineProcess();  ///< Closes its input; after `grace` SIGTERM, 2 s later SIGKILL.
  LineProcess(LineProcess&& other) noexcept;
  LineProcess& operator=(LineProcess&& other) noexcept;
  [[nodiscard]] pid_t pid() const;
  [[nodiscard]] const std::string& name() const;

  /// The rest of the "ready" line; nothing when it ended, said something else or was too slow.
  std::optional<std::string> wait_ready(std::chrono::milliseconds timeout);
  /// One request. A process that has ended shows at `receive`.
  void send(const nlohmann::json& request);
  /// The next line, or nothing when none came in time or the process has ended.
  std::optional<std::string> read_line(std::chrono::milliseconds timeout);
  /// True when its output has ended: it is gone, and `read_line` will never give anything again.
  [[nodiscard]] bool ended() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace rookery::launch
