#include <signal.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "base/atomic_file.hpp"
#include "base/error.hpp"
#include "base/stop_signal.hpp"
#include "launch/commands.hpp"
#include "launch/quickstart_tour.hpp"

namespace rookery::launch {

void add_quickstart_command(CLI::App& app) {
  auto options = std::make_shared<QuickstartOptions>();
  auto* command = app.add_subcommand("quickstart",
                                     "Runs the main job on a real corpus: index, colony with a "
                                     "killed node, fine-tuning, speculative answers");
  command->add_option("--configs", options->configs, "Folder with wiki.yaml and smoke.yaml")
      ->default_str("configs");
  command->add_flag("--smoke", options->smoke,
                    "1,000 passages and few steps: the same stages in under 3 minutes");
  command->add_flag("--keep", options->keep,
                    "Leave the colony running and tell how to talk to it and stop it");
  command->add_option("--report", options->report, "Write all figures to this JSON file");
  command->footer("Example: rookery quickstart --report r.json");
  command->callback([options] {
    const base::StopSignal stop;
    const int code = run_quickstart(*options, stop);
    if (code != 0) throw CLI::RuntimeError(code);
  });
}

}  // namespace rookery::launch
