#include <sched.h>
#include <sys/mount.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "base/atomic_file.hpp"
#include "base/error.hpp"
#include "base/progress.hpp"
#include "base/stop_signal.hpp"
#include "launch/chaos/chaos_report.hpp"
#include "launch/chaos/kill_points.hpp"
#include "launch/chaos/scenario.hpp"
#include "launch/chaos/soak.hpp"
#include "launch/commands.hpp"
#include "launch/rival.hpp"
#include "launch/scratch_folder.hpp"

namespace rookery::launch {
namespace {

constexpr int kInterrupted = 130;
constexpr int kFailed = 1;

struct ChaosArguments {
  bool list = false, brief = false, keyed = false;
  std::vector<std::string> run;
  std::string json, markdown;
  std::uint64_t seed = 1;
  double soak_minutes = 0;
  std::string step, folder;  // of a child of ours
};

void list() {
  for (const Scenario& scenario : all_scenarios()) {
    std::printf("%-4s %s%s\n", scenario.id.c_str(), scenario.title.c_str(),
                scenario.in_short ? "  (short set)" : "");
  }
}

std::vector<Scenario> chosen(const ChaosArguments& arguments) {
  auto all = all_scenarios();
  const std::set<std::string> wanted(arguments.run.begin(), arguments.run.end());
  for (const auto& id : wanted) {
    const bool known = id == "all" || id == "short" ||
                       std::any_of(all.begin(), all.end(),
                                   [&](const Scenario& scenario) { return scenario.id == id; });
    if (!known) {
      throw base::UserError("--run: expected all, short or ids of rookery chaos --list, got '" +
                            id + "'");
    }
  }
  // These speak to ports without keys, or have keys of their own.
  const std::set<std::string> plain = {"F16", "F19", "F31"};
  std::erase_if(all, [&](const Scenario& scenario) {
    if (arguments.keyed && plain.contains(scenario.id)) return true;
    return !wanted.contains("all") && !wanted.contains(scenario.id) &&
           !(wanted.contains("short") && scenario.in_short);
  });
  return all;
}

void write(const ChaosArguments& arguments, const std::vector<ScenarioReport>& reports) {
  if (!arguments.json.empty()) {
    base::write_file_atomically(
        arguments.json, chaos_json(reports, arguments.seed, arguments.brief).dump(2) + "\n");
  }
  if (!arguments.markdown.empty()) {
    base::write_file_atomically(arguments.markdown,
                                chaos_markdown(reports, arguments.seed, arguments.brief));
  }
}

/// What is mounted from now on is seen by us alone and goes with us; without the right to it, the
/// scenarios that mount are skipped.
void own_mount_namespace() {
  if (::unshare(CLONE_NEWNS) == 0) {
    ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr);
  }
}

void run_chosen(const ChaosArguments& arguments) {
  const base::StopSignal stop;
  const auto scenarios = chosen(arguments);
  own_mount_namespace();
  const ScratchFolder folder("chaos");
  std::printf("%s · seed %llu%s\n", machine_line().c_str(),
              static_cast<unsigned long long>(arguments.seed), arguments.brief ? " · short" : "");
  std::fflush(stdout);
  auto room = make_room(folder.path(), arguments.seed, arguments.brief, &stop);
  room.keyed = arguments.keyed;
  std::vector<ScenarioReport> reports;
  try {
    for (const Scenario& scenario : scenarios) {
      if (base::decorated(2))
        std::fprintf(stderr, "%s %s …", scenario.id.c_str(), scenario.title.c_str());
      reports.push_back(run_scenario(scenario, room));
      if (base::decorated(2)) std::fprintf(stderr, "\r\x1b[K");
      std::fputs(scenario_text(reports.back(), arguments.brief).c_str(), stdout);
      std::fflush(stdout);
      write(arguments, reports);  // what was measured stays, whatever comes later
    }
  } catch (const ChaosInterrupted&) {
    throw CLI::RuntimeError(kInterrupted);
  }
  std::int64_t passed = 0, failed = 0, skipped = 0;
  for (const auto& report : reports) {
    passed += report.status == ScenarioStatus::kPass;
    failed += report.status == ScenarioStatus::kFail;
    skipped += report.status == ScenarioStatus::kSkip;
  }
  std::printf("%lld passed, %lld failed, %lld skipped\n", static_cast<long long>(passed),
              static_cast<long long>(failed), static_cast<long long>(skipped));
  if (failed > 0) throw CLI::RuntimeError(kFailed);
}

void soak(const ChaosArguments& arguments) {
  const base::StopSignal stop;
  own_mount_namespace();
  const ScratchFolder folder("chaos");
  auto room = make_room(folder.path(), arguments.seed, false, &stop);
  ScenarioReport report;
  const auto seconds = static_cast<std::int64_t>(arguments.soak_minutes * 60);
  try {
    base::Progress progress("soak", seconds, "s");
    run_soak(room, report, arguments.soak_minutes, [&](double now, const std::string& fault) {
      progress.update(std::min(static_cast<std::int64_t>(now), seconds), fault);
    });
    progress.finish();
  } catch (const ChaosInterrupted&) {
    throw CLI::RuntimeError(kInterrupted);
  }
  report.conclude(false);
  report.seconds = arguments.soak_minutes * 60;
  std::fputs(scenario_text(report, false).c_str(), stdout);
  write(arguments, {report});
  if (report.status == ScenarioStatus::kFail) throw CLI::RuntimeError(kFailed);
}

}  // namespace

void add_chaos_command(CLI::App& app) {
  auto* command = app.add_subcommand(
      "chaos", "break a colony of your machine in every way we know, and see what it survives");
  const auto arguments = std::make_shared<ChaosArguments>();
  auto* list_flag = command->add_flag("--list", arguments->list, "show the scenarios");
  command
      ->add_option("--run", arguments->run, "ids of scenarios, or all, or short (the quick ones)")
      ->delimiter(',')
      ->excludes(list_flag);
  command
      ->add_option("--soak", arguments->soak_minutes,
                   "minutes of half load with random faults; memory must not grow")
      ->check(CLI::Range(0.5, 100'000.0))
      ->excludes(list_flag);
  command->add_flag("--short", arguments->brief,
                    "seconds instead of minutes; only what must hold on any machine is judged");
  command->add_flag(
      "--keys", arguments->keyed,
      "colonies with keys (CURVE and TLS); leaves out or skips what cannot have them");
  command->add_option("--seed", arguments->seed, "of vectors, queries and choices")
      ->capture_default_str();
  command->add_option("--json", arguments->json, "write the figures to this file");
  command->add_option("--step", arguments->step)->group("");  // hidden: see kill_points.hpp
  command->add_option("--folder", arguments->folder)->group("");
  command->add_option("--markdown", arguments->markdown, "write them as a table to this file");
  command->footer(
      "Starts colonies of its own in a scratch folder; yours are not touched, nothing is left.\n"
      "Exit code 1 when a scenario fails. Example: rookery chaos --run F1,F3 --json chaos.json");
  command->callback([arguments] {
    if (arguments->list) return list();
    if (!arguments->step.empty()) {
      return save_step(arguments->folder, arguments->seed, arguments->step == "save-traced");
    }
    if (arguments->soak_minutes > 0) return soak(*arguments);
    if (arguments->run.empty()) {
      throw base::UserError(
          "chaos: expected --list, --run or --soak; try: rookery chaos --run short --short");
    }
    run_chosen(*arguments);
  });
}

}  // namespace rookery::launch
