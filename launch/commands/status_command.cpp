#include <unistd.h>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <chrono>
#include <cstdio>
#include <memory>
#include <string>

#include "actors/colony_folder.hpp"
#include "actors/colony_status.hpp"
#include "base/atomic_file.hpp"
#include "base/error.hpp"
#include "base/progress.hpp"
#include "base/stop_signal.hpp"
#include "launch/commands.hpp"
#include "launch/status_table.hpp"

namespace rookery::launch {

namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr auto kAnswerTimeout = 5s;

/// Prints the colony once a second until Ctrl-C. A head that is silent does not end it: the last
/// word of the head stays, with its age.
void watch(const actors::ColonyFolder& folder) {
  const base::StopSignal stop;
  const bool redraw = base::decorated(STDOUT_FILENO);
  ServedRates rates;
  // The first look fails as any command does.
  auto status = actors::fetch_status(folder.running_head(), kAnswerTimeout);
  auto heard = Clock::now();
  rates.look(status, heard);
  StatusTableOptions options{redraw, 0};
  do {
    try {
      // Looked up each time: a new head may have another port.
      status = actors::fetch_status(folder.running_head(), kAnswerTimeout);
      heard = Clock::now();
      rates.look(status, heard);
      options.silent_seconds = 0;
    } catch (const base::UserError&) {
      options.silent_seconds = std::chrono::duration<double>(Clock::now() - heard).count();
    }
    std::printf("%s%s", redraw ? "\033[H\033[2J" : "",
                status_table(status, rates, options).c_str());
    std::fflush(stdout);
  } while (!stop.wait(1s));
}

}  // namespace

void add_status_command(CLI::App& app) {
  struct Options {
    std::string colony, json;
    bool watch = false;
  };
  auto* command = app.add_subcommand(
      "status", "shards × replicas of a colony: state, generation, load, restarts");
  const auto options = std::make_shared<Options>();
  command->add_option("colony", options->colony, "the colony's name or its YAML file")->required();
  command->add_flag("--watch", options->watch, "once a second, until Ctrl-C");
  command->add_option("--json", options->json, "write the status there too");
  command->footer("Example: rookery status wiki --watch");
  command->callback([options] {
    const auto folder = actors::ColonyFolder::find(options->colony);
    if (options->watch) {
      watch(folder);
      return;
    }
    const auto status = actors::fetch_status(folder.running_head(), kAnswerTimeout);
    std::printf("%s",
                status_table(status, ServedRates(), {base::decorated(STDOUT_FILENO), 0}).c_str());
    if (!options->json.empty()) {
      base::write_file_atomically(options->json, nlohmann::json::parse(status.json).dump(2) + "\n");
    }
  });
}

}  // namespace rookery::launch
