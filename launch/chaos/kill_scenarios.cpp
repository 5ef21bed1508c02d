// F1, F2, F12: processes die.
#include <signal.h>

#include <algorithm>
#include <set>

#include "launch/chaos/scenario.hpp"
#include "launch/chaos/trial.hpp"
#include "launch/percentile.hpp"

namespace rookery::launch {
namespace {

bool ready_again(Trial& trial, std::int32_t shard, std::int32_t replica, pid_t old_pid) {
  const auto member = trial.colony().member(shard, replica);
  return member && member->state == "ready" && member->pid != old_pid && member->pid > 0;
}

void kill_one_by_one(ScenarioRoom& room, ScenarioReport& report) {
  Trial trial(room, report);
  trial.measure_healthy(room.brief ? 2 : 8);
  const double begin = trial.now();
  const int kills = room.brief ? 3 : 30;
  std::vector<double> killed_at, back;
  for (int i = 0; i < kills; ++i) {
    const std::int32_t shard = i % 2, replica = (i / 2) % 2;
    const pid_t victim = trial.pid_of(shard, replica);
    const double moment = trial.now();
    killed_at.push_back(moment);
    ::kill(victim, SIGKILL);
    if (!room.wait_until([&] { return ready_again(trial, shard, replica, victim); }, 20)) {
      report.notes.push_back("a killed node was not ready again within 20 s");
    }
    back.push_back(trial.now() - moment);
    room.rest(std::max(0.0, moment + 2 - trial.now()));
  }
  const double end = trial.now();
  trial.finish();
  // The slowest call of those that were out when a node died, or came within 50 ms: how much of it
  // lies behind the death.
  std::vector<double> reroute;
  for (const double moment : killed_at) {
    double slowest = 0;
    for (const CallRecord& call : trial.calls()) {
      if (call.due < moment + 0.05 && call.done > moment) {
        slowest = std::max(slowest, call.done - std::max(moment, call.due));
      }
    }
    reroute.push_back(slowest * 1000);
  }
  report.timing("re-route after a death, median", median(reroute), 50, "ms");
  report.timing("ready again after a kill, median", median(back),
                1 + trial.colony().ready_seconds(), "s");
  report.timing("p99 / healthy p99", trial.p99_ratio(begin, end), 2, "x");
}

void kill_a_whole_shard(ScenarioRoom& room, ScenarioReport& report) {
  Trial trial(room, report);
  trial.measure_healthy(room.brief ? 1.5 : 5);
  const double outage = room.brief ? 3 : 6;
  const pid_t a = trial.pid_of(1, 0), b = trial.pid_of(1, 1);
  // The agent would bring them back in 0.2 s: it holds still, so that there is an outage.
  ::kill(trial.colony().agent_pid(), SIGSTOP);
  const double begin = trial.now();
  ::kill(a, SIGKILL);
  ::kill(b, SIGKILL);
  room.rest(outage);
  const double healed = trial.now();
  ::kill(trial.colony().agent_pid(), SIGCONT);
  room.wait_until([&] { return trial.first_right_after(healed) >= 0; }, 30);
  room.rest(1);
  const double first = trial.first_right_after(healed);
  const double again = trial.now() + 0.5;
  room.rest(1.5);
  const auto after = trial.window(again, again + 1);
  trial.finish(true);
  // Callers wait for their deadlines: what was sent and ended within the outage is what counts.
  std::vector<CallRecord> within;
  for (const CallRecord& call : trial.calls()) {
    if (call.sent > begin + 0.1 && call.done < healed) within.push_back(call);
  }
  const auto during = summarise(within, 0, 1e9);
  report.at_least("explicit errors in the outage", static_cast<double>(during.errors), 1);
  report.count("answers in the outage", static_cast<double>(during.right), 0);
  report.timing("first good answer after the restart", first < 0 ? 99 : first,
                2 + trial.colony().ready_seconds(), "s");
  report.count("errors after recovery", static_cast<double>(after.errors), 0);
  if (!during.error_words.empty()) report.notes.push_back(during.error_words.begin()->first);
}

void flapping(ScenarioRoom& room, ScenarioReport& report) {
  Trial trial(room, report);
  trial.measure_healthy(room.brief ? 1 : 3);
  const double seconds = room.brief ? 8 : 60;
  const double begin = trial.now();
  pid_t last = 0;
  int kills = 0;
  bool crash_loop = false;
  while (trial.now() < begin + seconds) {
    const auto member = trial.colony().member(0, 0);
    if (member) crash_loop |= member->crash_loop;
    const auto pid = member ? static_cast<pid_t>(member->pid) : 0;
    if (pid > 0 && pid != last && member->state == "ready") {
      room.rest(1);
      ::kill(pid, SIGKILL);
      last = pid;
      ++kills;
    }
    room.rest(0.05);
  }
  const auto member = trial.colony().member(0, 0);
  trial.finish();
  report.count("restarts", member ? member->restarts : 99, 10);
  report.at_least("deaths", kills, room.brief ? 3 : 5);
  if (!room.brief) report.at_least("the crash loop was named", crash_loop ? 1 : 0, 1);
}

}  // namespace

std::vector<Scenario> kill_scenarios() {
  return {{"F1", "SIGKILL of one replica after another, every 2 s", true, kill_one_by_one},
          {"F2", "SIGKILL of all replicas of a shard", true, kill_a_whole_shard},
          {"F12", "a replica that dies 1 s after each start", false, flapping}};
}

}  // namespace rookery::launch
