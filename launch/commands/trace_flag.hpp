#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "base/trace.hpp"

namespace CLI {
class App;
}

namespace rookery::launch {

/// `--trace FILE` of a command. The file lies open while this lives.
class TraceFlag {
 public:
  /// Lives as long as `command`.
  void add_to(CLI::App& command);
  /// Opens the file, if one was asked for; null else. `process_name` is what the trace shows.
  base::Trace* open(const std::string& process_name);
  [[nodiscard]] const std::filesystem::path& file() const { return file_; }

 private:
  std::filesystem::path file_;
  std::optional<base::Trace> trace_;
};

}  // namespace rookery::launch
