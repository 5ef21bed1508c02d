#include <CLI/CLI.hpp>

#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>

#include "actors/colony_folder.hpp"
#include "actors/colony_stop.hpp"
#include "base/error.hpp"
#include "launch/commands.hpp"

namespace rookery::launch {

void add_down_command(CLI::App& app) {
  auto* command =
      app.add_subcommand("down", "stop what runs of a colony on this host, and only that");
  const auto colony = std::make_shared<std::string>();
  command->add_option("colony", *colony, "the colony's name or its YAML file")->required();
  command->footer("Example: rookery down wiki");
  command->callback([colony] {
    const auto folder = actors::ColonyFolder::find(*colony);
    if (!std::filesystem::exists(folder.path())) {
      throw base::UserError("no colony '" + folder.name() + "' is known here (looked for " +
                            folder.path().string() + ")");
    }
    const auto stopped = actors::stop_colony(folder);
    if (stopped == 0) {
      std::printf("%s was not up\n", folder.name().c_str());
    } else {
      std::printf("%s is down · %d processes stopped\n", folder.name().c_str(), stopped);
    }
  });
}

}  // namespace rookery::launch
