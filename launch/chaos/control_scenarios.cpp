// F7, F25: the control plane.
#include <signal.h>

#include <algorithm>

#include "launch/chaos/scenario.hpp"
#include "launch/chaos/trial.hpp"

namespace rookery::launch {
namespace {

void control_partition(ScenarioRoom& room, ScenarioReport& report) {
  TrialOptions options;
  options.proxied_control = true;
  options.mirrored = true;
  Trial trial(room, report, options);
  trial.measure_healthy(room.brief ? 1 : 5);
  ProxyFaults cut;
  cut.to_server.held = cut.to_client.held = true;
  trial.colony().control_proxy().set(cut);
  room.rest(room.brief ? 4 : 60);
  const auto status = trial.colony().status();
  const auto out_of_contact = std::count_if(status.members.begin(), status.members.end(),
                                            [](const auto& member) { return !member.in_contact; });
  trial.colony().control_proxy().heal();
  const double healed = trial.now();
  const bool complete = room.wait_until(
      [&] {
        const auto now = trial.colony().status();
        return now.complete && now.agents.size() == 1 && now.agents[0].connected &&
               std::all_of(now.members.begin(), now.members.end(),
                           [](const auto& member) { return member.in_contact; });
      },
      30);
  const double seconds = trial.now() - healed;
  const auto failed = summarise(trial.load().calls(), 0, trial.now()).errors;
  report.count("failed calls while the control plane was cut", static_cast<double>(failed), 0);
  report.at_least("complete and in contact again", complete ? 1 : 0, 1);
  report.timing("until then", seconds, 10, "s");
  report.at_least("control connections through the proxy",
                  static_cast<double>(trial.colony().control_proxy().counts().connections), 5);
  report.notes.push_back(std::to_string(out_of_contact) +
                         " of 4 members were shown as out of contact at the end of the cut");
  // Now the data plane alone: the head sees healthy nodes that nobody reaches.
  for (std::size_t client = 0; client < 2; ++client) trial.mirror(client).set_all(cut);
  room.rest(room.brief ? 1.5 : 5);
  for (std::size_t client = 0; client < 2; ++client) trial.mirror(client).heal();
  const double open = trial.now();
  room.wait_until([&] { return trial.first_right_after(open + 0.2) >= 0; }, 10);
  const double first = trial.first_right_after(open);
  room.rest(room.brief ? 2.5 : 4);
  trial.finish(true);
  const auto after = summarise(trial.calls(), open + 3, 1e9);
  report.timing("first answer after the data plane was cut", first < 0 ? 99 : first, 3, "s");
  report.count("errors 3 s later", static_cast<double>(after.errors), 0);
}

void kill_the_head(ScenarioRoom& room, ScenarioReport& report) {
  Trial trial(room, report);
  trial.measure_healthy(room.brief ? 1 : 5);
  const auto before = trial.colony().status();
  trial.colony().kill_head();
  room.rest(room.brief ? 1.5 : 10);
  const double restart = trial.now();
  trial.colony().start_head();
  const bool complete = trial.colony().wait_complete(std::chrono::seconds(30));
  const double seconds = trial.now() - restart;
  const auto after = trial.colony().status();
  std::int64_t same = 0;
  for (std::size_t i = 0; i < std::min(before.members.size(), after.members.size()); ++i) {
    same += before.members[i].pid == after.members[i].pid;
  }
  room.rest(room.brief ? 0.5 : 5);
  trial.finish();
  report.at_least("the new head's view is complete", complete ? 1 : 0, 1);
  report.timing("until then", seconds, 3, "s");
  report.at_least("nodes that were not restarted", static_cast<double>(same), 4);
  report.at_least("the term rose", after.term > before.term ? 1 : 0, 1);
}

}  // namespace

std::vector<Scenario> control_scenarios() {
  return {{"F7", "the control plane cut off, then the data plane", true, control_partition},
          {"F25", "the head is killed and started again", true, kill_the_head}};
}

}  // namespace rookery::launch
