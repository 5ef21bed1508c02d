#include <CLI/CLI.hpp>

#include <cstdio>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/atomic_file.hpp"
#include "base/error.hpp"
#include "launch/commands.hpp"

namespace rookery::launch {

namespace {

struct TraceArguments {
  std::vector<std::string> files;
  std::string out;
};

/// The events of one file, each as it stands there: one line an event, which is how `base::Trace`
/// writes. A line that a crash has cut short is left out.
std::int64_t copy_events(const std::string& file, bool first, std::string& out) {
  std::ifstream in(file);
  std::string line;
  if (!in || !std::getline(in, line) || line != "[") {
    throw base::UserError(file + ": expected a trace written by rookery, got something else");
  }
  std::int64_t count = 0;
  while (std::getline(in, line)) {
    if (line.ends_with(",")) line.pop_back();
    if (!line.starts_with("{") || !nlohmann::json::accept(line)) continue;
    out += first && count == 0 ? "" : ",\n";
    out += line;
    ++count;
  }
  return count;
}

void run(const TraceArguments& arguments) {
  std::string out = "[\n";
  std::int64_t count = 0;
  for (const auto& file : arguments.files) count += copy_events(file, count == 0, out);
  base::write_file_atomically(arguments.out, out + "\n]\n");
  std::printf("%lld events of %zu files: %s\n", static_cast<long long>(count),
              arguments.files.size(), arguments.out.c_str());
}

}  // namespace

void add_trace_command(CLI::App& app) {
  const auto arguments = std::make_shared<TraceArguments>();
  auto* command = app.add_subcommand(
      "trace", "lay traces of several processes of one host side by side, in one file");
  command->add_option("files", arguments->files, "what --trace has written")->required();
  command->add_option("--out", arguments->out, "the file to write, for ui.perfetto.dev")
      ->required();
  command->footer("Example: rookery trace traces/*.json --out all.json");
  command->callback([arguments] { run(*arguments); });
}

}  // namespace rookery::launch
