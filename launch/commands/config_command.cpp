#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <string>

#include "base/option_reader.hpp"
#include "launch/colony_config.hpp"
#include "launch/commands.hpp"

namespace rookery::launch {

namespace {

void print_resolved(const std::string& file) {
  const auto config = ColonyConfig::load(file);
  std::printf("%s is valid. What holds for colony %s:\n\n", file.c_str(), config.colony.c_str());
  for (const auto& record : config.records) {
    const std::string origin = record.line == 0 ? "default" : "line " + std::to_string(record.line);
    std::printf("  %-34s %-40s %s\n", record.key.c_str(),
                record.value.empty() ? "-" : record.value.c_str(), origin.c_str());
  }
}

}  // namespace

void add_config_command(CLI::App& app) {
  auto* command =
      app.add_subcommand("config", "Checks a colony's YAML file, or lists every option");
  command->require_subcommand(1);
  command->footer("Example: rookery config check configs/wiki.yaml");

  auto file = std::make_shared<std::string>();
  auto* check = command->add_subcommand("check", "Reads FILE and shows what holds for every key");
  check->add_option("FILE", *file, "A colony's YAML file")->required();
  check->footer("Example: rookery config check configs/wiki.yaml");
  check->callback([file] { print_resolved(*file); });

  auto* reference = command->add_subcommand(
      "reference", "Prints every key with its type and default, as Markdown");
  reference->footer("Example: rookery config reference");
  reference->callback([] { std::fputs(config_reference().c_str(), stdout); });
}

}  // namespace rookery::launch
