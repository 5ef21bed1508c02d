#pragma once

#include <chrono>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/stop_signal.hpp"

namespace rookery::launch {

/// Ctrl-C or SIGTERM came while a stage ran.
struct Interrupted : std::runtime_error {
  Interrupted() : std::runtime_error("interrupted") {}
};

/// Runs the commands of a tour one after another as a person would type them, with headings and
/// plain lines. Use from one thread.
class StageRunner {
 public:
  StageRunner(const base::StopSignal& stop, std::filesystem::path work_folder, int stages);
  /// "2/6 Index …" and a line of what is going to happen.
  void heading(const std::string& title, const std::string& what);
  /// A plain-language line.
  void say(const std::string& line) const;
  /// Prints and runs `rookery ARGUMENTS`, terminal inherited; throws `UserError` when it fails (its
  /// own message is on the terminal already) and `Interrupted` on Ctrl-C, after the child has
  /// ended.
  void run(const std::vector<std::string>& arguments) const;
  /// The same with `--json FILE`; returns what the command wrote there.
  [[nodiscard]] nlohmann::json run_json(const std::vector<std::string>& arguments) const;
  /// Runs without a word and never throws; true when it ended with 0.
  bool run_quietly(const std::vector<std::string>& arguments) const;
  [[nodiscard]] double seconds() const;  ///< since this object was made
  [[nodiscard]] const std::filesystem::path& work_folder() const { return work_folder_; }

 private:
  const base::StopSignal& stop_;
  std::filesystem::path work_folder_;
  int stages_, stage_ = 0;
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

}  // namespace rookery::launch
