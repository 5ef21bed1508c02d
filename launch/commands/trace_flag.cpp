#include "launch/commands/trace_flag.hpp"

#include <CLI/CLI.hpp>

namespace rookery::launch {

void TraceFlag::add_to(CLI::App& command) {
  command.add_option("--trace", file_, "write a trace there, for ui.perfetto.dev");
}

base::Trace* TraceFlag::open(const std::string& process_name) {
  if (file_.empty()) return nullptr;
  return &trace_.emplace(file_, process_name);
}

}  // namespace rookery::launch
