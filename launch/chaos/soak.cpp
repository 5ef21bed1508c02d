#include "launch/chaos/soak.hpp"

#include <malloc.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "launch/chaos/process_facts.hpp"
#include "launch/chaos/trial.hpp"

namespace rookery::launch {
namespace {

using std::chrono::milliseconds;

constexpr double kLoadShare = 0.5;
constexpr double kRateMax = 400;
constexpr double kQuiet = 2;  // seconds between two faults

struct Watched {
  std::string what;
  pid_t process;
  ProcessFacts base, last;
};

/// One fault of the mix, begun and ended.
class FaultMix {
 public:
  FaultMix(ScenarioRoom& room, Trial& trial) : room_(room), trial_(trial), random_(room.seed) {}

  /// Does one fault and waits for its end; its name goes to `say` first.
  void next(const std::function<void(const std::string&)>& say, double most_s) {
    const auto seconds = [&](double s) { return std::min(s, most_s); };
    const auto any = static_cast<std::int32_t>(random_() % 2);
    const auto replica = static_cast<std::int32_t>(random_() % 2);
    ProxyFaults fault;
    switch (random_() % 9) {
      case 0: {
        say("kill");
        // Replica 1 only: the others live on, so that their memory can be watched.
        if (const auto member = trial_.colony().member(any, 1); member && member->pid > 0) {
          ::kill(static_cast<pid_t>(member->pid), SIGKILL);
        }
        return room_.rest(seconds(8));  // a quick death would count as a crash loop
      }
      case 1: {
        say("stop");
        const auto member = trial_.colony().member(any, replica);
        if (!member || member->pid <= 0) return;
        ::kill(static_cast<pid_t>(member->pid), SIGSTOP);
        try {
          room_.rest(seconds(4));
        } catch (...) {
          ::kill(static_cast<pid_t>(member->pid), SIGCONT);
          throw;
        }
        ::kill(static_cast<pid_t>(member->pid), SIGCONT);
        return;
      }
      case 2:
        say("slow replica");
        fault.to_client.delay = milliseconds(30);
        return one_link(any, replica, fault, seconds(5), true);
      case 3:
        say("partition");
        fault.to_client.held = fault.to_server.held = true;
        return one_link(any, replica, fault, seconds(5), false);
      case 4:
        say("one-way partition");
        fault.to_client.held = true;
        return one_link(any, replica, fault, seconds(5), true);
      case 5:
        say("delay and loss");
        for (auto* flow : {&fault.to_client, &fault.to_server}) {
          flow->delay = milliseconds(10);
          flow->jitter = milliseconds(5);
          flow->loss = 0.01;
        }
        trial_.mirror(0).set_all(fault);
        trial_.mirror(1).set_all(fault);
        break;
      case 6:
        say("cuts in mid-frame");
        fault.to_client.cut_after = 2'000 + static_cast<std::int64_t>(random_() % 20'000);
        return one_link(any, replica, fault, seconds(4), true);
      case 7:
        say("flipped bits");
        fault.to_client.corruption = fault.to_server.corruption = 0.02;
        return one_link(any, replica, fault, seconds(3), true);
      default:
        say("all connections reset");
        trial_.mirror(0).reset_all();
        trial_.mirror(1).reset_all();
    }
    room_.rest(seconds(5));
    heal();
  }

  void heal() {
    trial_.mirror(0).heal();
    trial_.mirror(1).heal();
  }

 private:
  void one_link(std::int32_t shard, std::int32_t replica, const ProxyFaults& fault, double seconds,
                bool both) {
    const auto member = trial_.colony().member(shard, replica);
    if (!member) return;
    trial_.mirror(0).set(member->node, fault);
    if (both) trial_.mirror(1).set(member->node, fault);
    room_.rest(seconds);
    heal();
  }

  ScenarioRoom& room_;
  Trial& trial_;
  std::mt19937_64 random_;
};

double growth(std::int64_t from, std::int64_t to) {
  return from > 0 ? 100.0 * static_cast<double>(to - from) / static_cast<double>(from) : 100.0;
}

}  // namespace

void run_soak(ScenarioRoom& room, ScenarioReport& report, double minutes,
              const std::function<void(double seconds, const std::string& fault)>& tick) {
  // Memory that is free but kept by an arena of a thread that has ended would look like growth.
  ::mallopt(M_ARENA_MAX, 2);
  report.id = "F33";
  report.title = "soak with random faults";
  {
    Trial probe(room, report);  // measures the capacity
    probe.finish(true);
  }
  TrialOptions options;
  options.mirrored = true;
  options.rate_per_s = std::min(kLoadShare * room.capacity, kRateMax);
  Trial trial(room, report, options);
  const double begin = trial.now(), end = begin + minutes * 60;
  const double based = begin + (end - begin) / 10;
  std::vector<Watched> watched = {{"head", trial.colony().head_pid(), {}, {}},
                                  {"agent", trial.colony().agent_pid(), {}, {}},
                                  {"node of shard 0", trial.pid_of(0, 0), {}, {}},
                                  {"node of shard 1", trial.pid_of(1, 0), {}, {}},
                                  {"clients and proxies", ::getpid(), {}, {}}};
  FaultMix mix(room, trial);
  CallSummary total;
  std::map<std::string, int> faults;
  bool measured = false;
  const auto account = [&] {
    const auto calls = trial.load().take_calls();
    const auto sum = summarise(calls, -1, 1e12);
    report.calls += sum.calls;
    report.errors += sum.errors;
    report.wrong += sum.wrong;
    report.late += sum.late;
    report.duplicate += sum.misplaced;
    total.p99_ms = std::max(total.p99_ms, sum.p99_ms);
    for (const auto& [words, count] : sum.error_words) {
      if (total.error_words.size() < 20) total.error_words[words] += count;
    }
  };
  while (trial.now() < end) {
    const double left = end - trial.now();
    mix.next(
        [&](const std::string& fault) {
          ++faults[fault];
          tick(trial.now() - begin, fault);
        },
        std::max(0.1, left - kQuiet));
    account();
    tick(trial.now() - begin, "");
    room.rest(std::clamp(end - trial.now(), 0.0, kQuiet));
    if (!measured && trial.now() >= based) {
      measured = true;
      ::malloc_trim(0);
      for (Watched& process : watched) process.base = process_facts(process.process);
    }
  }
  mix.heal();
  const bool complete = trial.colony().wait_complete(std::chrono::seconds(60));
  room.rest(3);
  account();
  ::malloc_trim(0);
  for (Watched& process : watched) process.last = process_facts(process.process);
  account();
  trial.finish(true);
  report.count("failed calls", static_cast<double>(report.errors), 0);
  report.at_least("complete at the end", complete ? 1 : 0, 1);
  for (const Watched& process : watched) {
    report.figures.push_back({"memory of the " + process.what + ", growth",
                              growth(process.base.resident_bytes, process.last.resident_bytes), 2,
                              "%", false, false});
  }
  for (const Watched& process : watched) {
    report.count("descriptors more, " + process.what,
                 static_cast<double>(process.last.descriptors - process.base.descriptors), 0);
    report.count("threads more, " + process.what,
                 static_cast<double>(process.last.threads - process.base.threads), 0);
  }
  std::string mixed;
  for (const auto& [fault, count] : faults) {
    mixed += (mixed.empty() ? "" : ", ") + std::to_string(count) + " × " + fault;
  }
  report.notes.push_back(mixed);
  for (const Watched& process : watched) {
    char text[128];
    std::snprintf(text, sizeof text, "%s: %.1f MiB after the first tenth, %.1f MiB at the end",
                  process.what.c_str(),
                  static_cast<double>(process.base.resident_bytes) / (1 << 20),
                  static_cast<double>(process.last.resident_bytes) / (1 << 20));
    report.notes.emplace_back(text);
  }
  for (const auto& [words, count] : total.error_words) {
    report.notes.push_back(std::to_string(count) + " × " + words);
  }
}

}  // namespace rookery::launch
