#include <CLI/CLI.hpp>

#include <memory>
#include <string>

#include "actors/head_process.hpp"
#include "base/stop_signal.hpp"
#include "launch/colony_config.hpp"
#include "launch/commands.hpp"
#include "launch/commands/trace_flag.hpp"

namespace rookery::launch {

void add_head_command(CLI::App& app) {
  auto* command = app.add_subcommand(
      "head", "run a colony's head in the foreground (rookery up does it in the background)");
  const auto config = std::make_shared<std::string>();
  command->add_option("config", *config, "the colony's YAML file")->required();
  const auto trace = std::make_shared<TraceFlag>();
  trace->add_to(*command);
  command->footer("Example: rookery head configs/wiki.yaml");
  command->callback([config, trace] {
    const base::StopSignal stop;
    const auto colony = ColonyConfig::load(*config);
    auto options = head_options(colony);
    options.trace = trace->file();
    actors::run_head(options, stop);
  });
}

}  // namespace rookery::launch
