// scale, restart, drain, undrain, swap, rollback: what people ask of a running colony.
#include <unistd.h>

#include <CLI/CLI.hpp>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "actors/admin_client.hpp"
#include "actors/colony_folder.hpp"
#include "actors/colony_status.hpp"
#include "base/error.hpp"
#include "base/progress.hpp"
#include "base/stop_signal.hpp"
#include "launch/commands.hpp"

namespace rookery::launch {

namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr auto kAnswerTimeout = 5s;
constexpr auto kBoardLag = 30s;
constexpr int kAccepted = 202;

struct AdminArguments {
  std::string colony;
  actors::AdminRequest request;
  std::int32_t replicas = 0;
  double wait_timeout_s = 600;
  bool no_wait = false;
  bool wait = false;  ///< said aloud; it is the default
};

/// The newest operation of this action.
const actors::OperationStatus* newest(const actors::ColonyStatus& status,
                                      const std::string& action) {
  const actors::OperationStatus* found = nullptr;
  for (const auto& operation : status.operations) {
    if (operation.action == action) found = &operation;
  }
  return found;
}

/// Shows how far the operation is until it is over; one line that changes on a terminal, a line a
/// step elsewhere.
void follow(const actors::ColonyFolder& folder, const AdminArguments& arguments,
            std::int64_t before) {
  const base::StopSignal stop;
  const bool redraw = base::decorated(STDOUT_FILENO);
  const auto deadline =
      Clock::now() +
      std::chrono::milliseconds(static_cast<std::int64_t>(arguments.wait_timeout_s * 1'000));
  // The head says yes before its board shows what has begun.
  const auto begun_by = Clock::now() + kBoardLag;
  std::string shown;
  for (;;) {
    const auto status = actors::fetch_status(folder.running_head(), kAnswerTimeout);
    const auto* operation = newest(status, arguments.request.action);
    if (operation == nullptr || operation->id <= before) {
      if (Clock::now() >= begun_by || stop.wait(50ms)) return;  // seen by nobody
      continue;
    }
    if (operation->text != shown) {
      shown = operation->text;
      std::printf(redraw ? "\r\033[K%s" : "%s\n", shown.c_str());
      std::fflush(stdout);
    }
    if (operation->state != "running") {
      if (redraw) std::printf("\n");
      if (operation->state == "failed") {
        throw base::UserError(operation->action + ": " + operation->text);
      }
      return;
    }
    if (Clock::now() >= deadline) {
      if (redraw) std::printf("\n");
      throw base::UserError(operation->action + " is not done yet (" + operation->text +
                            "); it goes on, see: rookery status " + folder.name());
    }
    if (stop.wait(100ms)) {
      std::printf("\nit goes on, see: rookery status %s\n", folder.name().c_str());
      throw CLI::RuntimeError(130);
    }
  }
}

void run(const AdminArguments& arguments) {
  const auto folder = actors::ColonyFolder::find(arguments.colony);
  const auto status = actors::fetch_status(folder.running_head(), kAnswerTimeout);
  const auto* last = newest(status, arguments.request.action);
  const std::int64_t before = last == nullptr ? 0 : last->id;
  const auto reply = actors::send_admin_request(folder, arguments.request);
  std::printf("%s\n", reply.text.c_str());
  std::fflush(stdout);
  if (reply.status == kAccepted && !arguments.no_wait && arguments.request.action != "undrain") {
    follow(folder, arguments, before);
  }
}

/// The command with its colony and how long it waits; `callback` of the caller's options.
CLI::App* add_command(CLI::App& app, const std::string& action, const std::string& help,
                      const std::shared_ptr<AdminArguments>& arguments) {
  arguments->request.action = action;
  auto* command = app.add_subcommand(action, help);
  command->add_option("colony", arguments->colony, "the colony's name or its YAML file")
      ->required();
  if (action != "undrain") {
    command->add_flag("--no-wait", arguments->no_wait, "do not wait until it is done");
    command
        ->add_option("--wait-timeout", arguments->wait_timeout_s,
                     "seconds to wait for it; it goes on all the same")
        ->check(CLI::Range(0.1, 86'400.0))
        ->capture_default_str();
  }
  return command;
}

void add_index_option(CLI::App& command, const std::shared_ptr<AdminArguments>& arguments) {
  command.add_option("--index", arguments->request.index,
                     "name of the index (default: the colony's first)");
}

void add_drain(CLI::App& app, const std::string& action, const std::string& help,
               const std::string& footer) {
  const auto arguments = std::make_shared<AdminArguments>();
  auto* command = add_command(app, action, help, arguments);
  auto* node = command->add_option("node", arguments->request.node, "the node, as in status");
  command->add_option("--agent", arguments->request.agent, "instead: all nodes of this agent")
      ->excludes(node);
  command->footer(footer);
  command->callback([arguments] {
    if (arguments->request.node.empty() && arguments->request.agent.empty()) {
      throw base::UserError(
          arguments->request.action +
          ": expected a node, or --agent NAME, got neither; see: rookery status " +
          arguments->colony);
    }
    run(*arguments);
  });
}

}  // namespace

void add_scale_command(CLI::App& app) {
  const auto arguments = std::make_shared<AdminArguments>();
  auto* command = add_command(
      app, "scale", "more or fewer replicas of a running colony, while it serves", arguments);
  command->add_option("--replicas", arguments->replicas, "of every shard, 1 to 64")
      ->required()
      ->check(CLI::Range(1, 64));
  add_index_option(*command, arguments);
  command->footer(
      "Example: rookery scale wiki --replicas 3\n"
      "What goes answers what it was asked first; the highest replicas go.");
  command->callback([arguments] {
    arguments->request.replicas = arguments->replicas;
    run(*arguments);
  });
}

void add_restart_command(CLI::App& app) {
  const auto arguments = std::make_shared<AdminArguments>();
  auto* command =
      add_command(app, "restart",
                  "restart the nodes of a colony one after the other, while it serves", arguments);
  command->add_option("node", arguments->request.node, "only this one");
  add_index_option(*command, arguments);
  command->footer(
      "Example: rookery restart wiki\n"
      "A node goes only while another replica of its shard is ready; where there is none, a\n"
      "surplus one is started first.");
  command->callback([arguments] { run(*arguments); });
}

void add_drain_command(CLI::App& app) {
  add_drain(app, "drain", "take a node, or all nodes of an agent, away from where they are",
            "Example: rookery drain wiki --agent host-b\n"
            "Other agents take them over where they can; else the replica stays empty until:\n"
            "rookery undrain wiki --agent host-b");
}

void add_undrain_command(CLI::App& app) {
  add_drain(app, "undrain", "let a drained node or agent be used again",
            "Example: rookery undrain wiki --agent host-b");
}

void add_swap_command(CLI::App& app) {
  const auto arguments = std::make_shared<AdminArguments>();
  const auto recall_min = std::make_shared<double>(0.5);
  auto* command = add_command(
      app, "swap", "put another generation in the place of the live one, while it serves",
      arguments);
  command
      ->add_option("snapshot", arguments->request.snapshot,
                   "NAME (its newest generation) or NAME/GENERATION")
      ->required();
  add_index_option(*command, arguments);
  auto* given = command
                    ->add_option("--recall-min", *recall_min,
                                 "share of the live generation's answers that the new one must "
                                 "give, else it is rolled back (default: index.swap.recall_min)")
                    ->check(CLI::Range(0.0, 1.0));
  command->add_flag("--wait", arguments->wait, "wait until it is done (the default)");
  command->footer(
      "Example: rookery swap wiki ~/.local/share/rookery/wiki --recall-min 0.8\n"
      "The new generation is loaded beside the live one, warmed with queries that clients asked\n"
      "lately, and compared; then new queries go to it. Exit code 2 when it was rolled back.");
  command->callback([arguments, recall_min, given] {
    if (given->count() > 0) arguments->request.recall_min = *recall_min;
    // The head has a working folder of its own.
    arguments->request.snapshot = std::filesystem::absolute(arguments->request.snapshot).string();
    run(*arguments);
  });
}

void add_rollback_command(CLI::App& app) {
  const auto arguments = std::make_shared<AdminArguments>();
  auto* command = add_command(
      app, "rollback", "go back to the generation that was live before the last swap", arguments);
  add_index_option(*command, arguments);
  command->add_flag("--wait", arguments->wait, "wait until it is done (the default)");
  command->footer(
      "Example: rookery rollback wiki\n"
      "At once while its processes still run (index.retain_s), else it is loaded again.");
  command->callback([arguments] { run(*arguments); });
}

}  // namespace rookery::launch
