#include <unistd.h>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <map>
#include <memory>
#include <string>

#include "actors/colony_folder.hpp"
#include "actors/colony_status.hpp"
#include "base/atomic_file.hpp"
#include "base/progress.hpp"
#include "base/stop_signal.hpp"
#include "launch/commands.hpp"

namespace rookery::launch {

namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr auto kAnswerTimeout = 5s;

/// Requests served by each process at the last look, for rates.
class ServedRates {
 public:
  /// Requests a second since the last look; negative at the first one.
  double update(const actors::MemberStatus& member, Clock::time_point now) {
    auto& last = last_[member.pid];
    const double seconds = std::chrono::duration<double>(now - last.at).count();
    const double rate =
        last.known && seconds > 0 ? static_cast<double>(member.served - last.served) / seconds : -1;
    last = {true, member.served, now};
    return rate;
  }

 private:
  struct Look {
    bool known = false;
    std::int64_t served = 0;
    Clock::time_point at;
  };
  std::map<std::int64_t, Look> last_;
};

void print_status(const actors::ColonyStatus& status, ServedRates& rates) {
  const auto now = Clock::now();
  std::string kinds = status.kind;
  for (const std::string& kind : status.kinds) {
    if (kind != status.kind) kinds += ", " + kind;
  }
  std::printf("%s · %s · term %llu · view %llu · %s\n", status.colony.c_str(), kinds.c_str(),
              static_cast<unsigned long long>(status.term),
              static_cast<unsigned long long>(status.epoch),
              status.complete ? "complete" : "not complete");
  std::printf("%-6s %-8s %-10s %-9s %-13s %6s %9s %7s %8s %8s\n", "shard", "replica", "node",
              "state", "generation", "queue", "served", "q/s", "pid", "restarts");
  for (const auto& member : status.members) {
    const bool away = member.state == "ready" && !member.in_contact;
    const std::string state = member.crash_loop ? "crashing" : away ? "lost" : member.state;
    const double rate = rates.update(member, now);
    const std::string rate_text = rate < 0 ? "-" : std::to_string(static_cast<int>(rate + 0.5));
    std::printf("%-6d %-8d %-10s %-9s %-13s %6lld %9lld %7s %8s %8d\n", member.shard,
                member.replica, member.node.c_str(), state.c_str(),
                member.generation.empty() ? "-" : member.generation.c_str(),
                static_cast<long long>(member.queue), static_cast<long long>(member.served),
                rate_text.c_str(), member.pid == 0 ? "-" : std::to_string(member.pid).c_str(),
                member.restarts);
  }
  for (const auto& member : status.members) {
    if (member.state == "ready" || member.reason.empty()) continue;
    std::printf("%s ended with code %d: %s\n", member.node.c_str(), member.exit_code,
                member.reason.c_str());
  }
  for (const auto& agent : status.agents) {
    if (!agent.connected) std::printf("agent %s is not connected\n", agent.agent.c_str());
  }
  if (status.agents.empty()) std::printf("no agent has come yet\n");
}

void watch(const actors::ColonyFolder& folder) {
  const base::StopSignal stop;
  const bool redraw = base::decorated(STDOUT_FILENO);
  ServedRates rates;
  do {
    // Looked up each time: a new head may have another port.
    const auto status = actors::fetch_status(folder.running_head().http, kAnswerTimeout);
    if (redraw) std::printf("\033[H\033[2J");
    print_status(status, rates);
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
    const auto status = actors::fetch_status(folder.running_head().http, kAnswerTimeout);
    ServedRates rates;
    print_status(status, rates);
    if (!options->json.empty()) {
      base::write_file_atomically(options->json, nlohmann::json::parse(status.json).dump(2) + "\n");
    }
  });
}

}  // namespace rookery::launch
