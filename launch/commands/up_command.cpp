#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "actors/colony_folder.hpp"
#include "actors/colony_status.hpp"
#include "actors/colony_stop.hpp"
#include "actors/head_process.hpp"
#include "actors/log_tail.hpp"
#include "base/atomic_file.hpp"
#include "base/error.hpp"
#include "base/stop_signal.hpp"
#include "base/subprocess.hpp"
#include "launch/colony_config.hpp"
#include "launch/commands.hpp"

namespace rookery::launch {

namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr int kInterrupted = 130;
constexpr int kUserMistake = 2;
constexpr auto kAnswerTimeout = 5s;
constexpr auto kLook = 20ms;  ///< between two looks at what another process writes

struct UpOptions {
  std::string config, json, trace;
  double wait_timeout_s = 60;
  bool foreground = false;
};

/// `12285` → `12,324`.
std::string grouped(std::int64_t number) {
  auto text = std::to_string(number);
  for (auto at = static_cast<std::int64_t>(text.size()) - 3; at > 0; at -= 3) {
    text.insert(static_cast<std::size_t>(at), ",");
  }
  return text;
}

/// Starts one colony's head and agent, and takes both back when it goes wrong.
class ColonyStart {
 public:
  ColonyStart(const UpOptions& options, const ColonyConfig& config, const base::StopSignal& stop)
      : options_(options),
        config_(config),
        stop_(stop),
        folder_(config.colony),
        deadline_(Clock::now() + std::chrono::milliseconds(
                                     static_cast<std::int64_t>(options.wait_timeout_s * 1'000))) {}

  actors::ColonyStatus run() {
    const auto lock = folder_.try_lock("up");
    if (!lock) {
      throw base::UserError("colony '" + folder_.name() +
                            "' is being started by another rookery up; wait for it");
    }
    const auto head = folder_.head();
    const auto agent = folder_.agent();
    const bool head_runs = head && head->process.alive();
    const bool agent_runs = agent && agent->process.alive();
    if (head_runs && agent_runs) {
      throw base::UserError("colony '" + folder_.name() + "' is already up (head pid " +
                            std::to_string(head->process.pid) + "); stop it with: rookery down " +
                            folder_.name());
    }
    actors::check_colony(head_options(config_));
    if (!head_runs) {
      start(head_, "head", traced({"head", config_.file.string()}), [&](pid_t pid) {
        const auto record = folder_.head();
        return record && record->process == actors::ProcessIdentity::of(pid);
      });
    }
    if (!agent_runs) {
      start(agent_, "agent", traced({"agent", "--colony", folder_.name()}), [&](pid_t pid) {
        const auto record = folder_.agent();
        return record && record->process == actors::ProcessIdentity::of(pid);
      });
    }
    return wait_until_complete();
  }

  /// The colony outlives us.
  void release() {
    if (head_) head_->process.release();
    if (agent_) agent_->process.release();
  }

  /// Stops what this object started, the agent (and so its nodes) first.
  void take_back() {
    if (agent_ && head_) {
      actors::stop_colony(folder_);
    } else if (agent_) {
      agent_->process.terminate(10s);
    } else if (head_) {
      head_->process.terminate(10s);
    }
  }

  /// With `--foreground`: until Ctrl-C, or until one of them ends.
  void stay() {
    while (!stop_.wait(200ms)) {
      for (auto* daemon : {&head_, &agent_}) {
        if (*daemon) fail_if_ended(**daemon);
      }
    }
  }

 private:
  struct Daemon {
    base::Subprocess process;
    std::string role;
    std::filesystem::path log;
    std::int64_t log_from;
  };

  /// The command line with `--trace FOLDER/COMMAND.json`, where a folder was given.
  [[nodiscard]] std::vector<std::string> traced(std::vector<std::string> command) const {
    if (options_.trace.empty()) return command;
    const auto folder = std::filesystem::absolute(options_.trace);
    std::error_code error;
    std::filesystem::create_directories(folder, error);
    if (error) {
      throw base::UserError("--trace: expected a folder, got '" + options_.trace +
                            "': " + error.message());
    }
    command.insert(command.end(), {"--trace", (folder / (command[0] + ".json")).string()});
    return command;
  }

  template <class IsUp>
  void start(std::optional<Daemon>& daemon, const std::string& role,
             const std::vector<std::string>& arguments, IsUp is_up) {
    folder_.create();
    base::SubprocessOptions process;
    process.command = {(base::executable_folder() / "rookery").string()};
    process.command.insert(process.command.end(), arguments.begin(), arguments.end());
    process.log = folder_.log(role);
    process.die_with_parent = options_.foreground;
    process.new_session = true;  // Ctrl-C on our terminal is ours to handle
    const auto log_from = actors::log_bytes(process.log);
    const auto log = process.log;
    daemon.emplace(Daemon{base::Subprocess(std::move(process)), role, log, log_from});
    while (!is_up(daemon->process.pid())) {
      fail_if_ended(*daemon);
      pause("the " + role + " did not come up; see " + log.string());
    }
  }

  void fail_if_ended(Daemon& daemon) const {
    const auto code = daemon.process.poll();
    if (!code) return;
    const auto words = actors::last_words(daemon.log, daemon.log_from);
    if (*code == kUserMistake && !words.empty()) throw base::UserError(words);
    throw base::UserError("the " + daemon.role + " of colony '" + folder_.name() +
                          "' ended with code " + std::to_string(*code) +
                          (words.empty() ? "" : ": " + words) + "; see " + daemon.log.string());
  }

  void pause(const std::string& what_is_late) const {
    if (stop_.wait(kLook)) throw CLI::RuntimeError(kInterrupted);
    if (Clock::now() < deadline_) return;
    char seconds[32];
    std::snprintf(seconds, sizeof seconds, "%g", options_.wait_timeout_s);
    throw base::UserError("colony '" + folder_.name() + "' was not ready within " + seconds +
                          " s: " + what_is_late + "; nothing of it was left running");
  }

  actors::ColonyStatus wait_until_complete() {
    for (;;) {
      auto status = actors::fetch_status(folder_.running_head(), kAnswerTimeout);
      if (status.complete) return status;
      if (head_) fail_if_ended(*head_);
      if (agent_) fail_if_ended(*agent_);
      std::int64_t ready = 0;
      for (const auto& member : status.members) {
        ready += member.state == "ready";
        const bool hopeless = member.exit_code == kUserMistake || member.crash_loop;
        if (member.state != "ready" && hopeless && !member.reason.empty()) {
          throw base::UserError(member.node + " (shard " + std::to_string(member.shard) +
                                ") did not start: " + member.reason);
        }
      }
      pause(std::to_string(ready) + " of " + std::to_string(status.members.size()) +
            " replicas are ready; see the logs in " + (folder_.path() / "logs").string());
    }
  }

  const UpOptions& options_;
  const ColonyConfig& config_;
  const base::StopSignal& stop_;
  actors::ColonyFolder folder_;
  Clock::time_point deadline_;
  std::optional<Daemon> head_, agent_;
};

void print_colony(const actors::ColonyStatus& status, double seconds) {
  std::size_t live = 0;
  for (const auto& generation : status.generations) live += generation.role == "live";
  std::size_t shown = 0;
  for (const auto& generation : status.generations) {
    if (generation.role != "live") continue;
    ++shown;
    const auto name = live == 1 ? status.colony : status.colony + " " + generation.index;
    std::printf("%s · %d %s × %d %s · generation %s · %s sources, %s passages · %s, %d-d\n",
                name.c_str(), generation.shards, generation.shards == 1 ? "shard" : "shards",
                generation.replicas, generation.replicas == 1 ? "replica" : "replicas",
                generation.generation.c_str(), grouped(generation.sources).c_str(),
                grouped(generation.passages).c_str(), generation.kind.c_str(),
                generation.dimension);
    for (std::int32_t shard = 0; shard < generation.shards; ++shard) {
      std::printf("  shard %d", shard);
      for (const auto& member : status.members) {
        if (member.index == generation.index && member.generation == generation.generation &&
            member.shard == shard) {
          std::printf("  ● %s", member.node.c_str());
        }
      }
      if (shown == live && shard + 1 == generation.shards) {
        std::printf("            ready in %.1f s", seconds);
      }
      std::printf("\n");
    }
  }
  const auto head = actors::ColonyFolder(status.colony).running_head();
  std::printf("dashboard  %s://%s     stop with: rookery down %s\n",
              head.keys.empty() ? "http" : "https", head.http.c_str(), status.colony.c_str());
  std::fflush(stdout);
}

void up(const UpOptions& options) {
  const base::StopSignal stop;
  const auto begin = Clock::now();
  const auto config = ColonyConfig::load(options.config);
  ColonyStart colony(options, config, stop);
  try {
    const auto status = colony.run();
    const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
    print_colony(status, seconds);
    if (!options.json.empty()) {
      auto json = nlohmann::json::parse(status.json);
      json["ready_seconds"] = seconds;
      base::write_file_atomically(options.json, json.dump(2) + "\n");
    }
    if (options.foreground) colony.stay();
  } catch (...) {
    colony.take_back();
    throw;
  }
  if (options.foreground) {
    colony.take_back();
  } else {
    colony.release();
  }
}

}  // namespace

void add_up_command(CLI::App& app) {
  auto* command = app.add_subcommand(
      "up", "start a colony on this host: head, agent and nodes, in the background");
  const auto options = std::make_shared<UpOptions>();
  command->add_option("config", options->config, "the colony's YAML file")->required();
  command
      ->add_option("--wait-timeout", options->wait_timeout_s,
                   "seconds until all replicas must be ready")
      ->check(CLI::Range(0.1, 86'400.0))
      ->capture_default_str();
  command->add_flag("--foreground", options->foreground, "stay, and stop the colony on Ctrl-C");
  command->add_option("--json", options->json, "write the colony's status there");
  command->add_option("--trace", options->trace,
                      "folder for traces of head, agent and nodes, for ui.perfetto.dev");
  command->footer(
      "Example: rookery up configs/wiki.yaml\n"
      "Where a head or an agent of the colony has died, up starts it again.");
  command->callback([options] { up(*options); });
}

}  // namespace rookery::launch
