#pragma once

#include <chrono>
#include <filesystem>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "launch/line_process.hpp"

namespace rookery::launch {

/// A rival that a benchmark measures in the same run: a Python script of `tests/bench/rivals` in
/// the environment that `launch/setup --peers` made. It speaks lines of JSON: for every line that
/// it gets it answers with one, so that its measurements can be interleaved with ours. The script
/// is `import rival` away from that: see tests/bench/rivals/rival.py.
class Rival {
 public:
  /// Starts `SCRIPT.py ARGUMENTS…` with `threads` for OpenMP, OpenBLAS, MKL and numba. Nothing when
  /// the environment or the script is not there (`unavailable` says why) or it cannot import what
  /// it needs.
  static std::optional<Rival> start(const std::string& script,
                                    const std::vector<std::string>& arguments, int threads);
  Rival(Rival&& other) noexcept;
  Rival& operator=(Rival&& other) noexcept;
  ~Rival();  ///< Ends the script.

  /// Sends a request and waits for the answer. Throws `UserError` with the script's own error.
  nlohmann::json ask(const nlohmann::json& request);

 private:
  struct Impl;
  explicit Rival(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// Starts such a script without waiting for "ready", with `environment` on top; nothing when the
/// environment or the script is not there. `grace` as in `LineProcessOptions`.
std::optional<LineProcess> start_rival(const std::string& script,
                                       const std::vector<std::string>& arguments, int threads,
                                       const std::map<std::string, std::string>& environment,
                                       std::chrono::milliseconds grace = {});

/// The environment's Python, when `launch/setup --peers` installed it.
std::optional<std::filesystem::path> rival_python();

/// Says what this machine is, for the head of a table: CPU, cores, instruction set, memory.
nlohmann::json machine_facts();
std::string machine_line();

}  // namespace rookery::launch
