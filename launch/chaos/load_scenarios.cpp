// F26, F27, F29, F30: too little memory, too much load, strange clocks, rolling restarts.
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>
#include <utility>

#include "launch/chaos/process_facts.hpp"
#include "launch/chaos/scenario.hpp"
#include "launch/chaos/trial.hpp"
#include "launch/percentile.hpp"

namespace rookery::launch {
namespace {

void little_memory(ScenarioRoom& room, ScenarioReport& report) {
  TrialOptions options;
  options.pool = ", queue_bytes_max: 8388608";
  Trial trial(room, report, options);
  trial.measure_healthy(room.brief ? 1 : 3);
  const auto pids = trial.colony().node_pids();
  std::vector<ProcessFacts> before;
  before.reserve(pids.size());
  for (const pid_t pid : pids) before.push_back(process_facts(pid));
  // The largest batches there are, from many callers at once: bounded by the queue's bytes.
  const auto dimension = static_cast<std::size_t>(room.corpus.dimension);
  const std::vector<float> batch(dimension * retriever_pool::kBatchMax, 0.25F);
  std::atomic<std::int64_t> taken = 0, refused = 0;
  double most = 0;
  {
    const auto pool = trial.colony().client();
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(room.brief ? 2 : 10);
    std::vector<std::jthread> callers;
    for (int i = 0; i < 16; ++i) {
      callers.emplace_back([&] {
        while (std::chrono::steady_clock::now() < end) {
          retriever_pool::RetrievalRequest request;
          request.queries = batch;
          request.k = 100;
          request.want_passages = false;
          request.priority = retriever_pool::Priority::kPrefetch;
          try {
            (void)pool->retrieve(request);
            ++taken;
          } catch (const retriever_pool::RetrievalError&) {
            ++refused;
          }
        }
      });
    }
    while (std::chrono::steady_clock::now() < end) {
      room.rest(0.1);
      for (std::size_t i = 0; i < pids.size(); ++i) {
        const auto now = process_facts(pids[i]);
        most = std::max(
            most, static_cast<double>(now.anonymous_bytes - before[i].anonymous_bytes) / (1 << 20));
      }
    }
  }
  report.at_least("no node died of a client's requests", trial.colony().node_pids() == pids, 1);
  report.count("a node's memory grew by, MiB", most, 128);
  report.notes.push_back(std::to_string(taken) + " batches of " +
                         std::to_string(retriever_pool::kBatchMax) + " answered, " +
                         std::to_string(refused) + " refused");
  // A node that is not given what it needs: it ends, is named, and its replica serves on.
  const pid_t victim = trial.pid_of(0, 0);
  std::ifstream statm("/proc/" + std::to_string(victim) + "/statm");
  rlim_t pages = 0;
  statm >> pages;
  const rlimit tight{pages * 4096 + (1 << 20), pages * 4096 + (1 << 20)};
  if (::prlimit(victim, RLIMIT_AS, &tight, nullptr) != 0) {
    throw SkipScenario("limits of other processes cannot be set here");
  }
  room.rest(room.brief ? 2 : 6);
  ::kill(victim, SIGKILL);  // what an out-of-memory killer does at the end
  const bool back = room.wait_until(
      [&] {
        const auto member = trial.colony().member(0, 0);
        return member && member->state == "ready" && member->pid != victim;
      },
      20);
  report.at_least("the starved node was replaced", back ? 1 : 0, 1);
  trial.finish(true);
  report.timing("calls refused beside the flood",
                100.0 * static_cast<double>(report.errors) / static_cast<double>(report.calls), 5,
                "%");
}

/// A snapshot of so many rows that the nodes, not the clients beside them, need the cores: one
/// query a scan, and each reads all of it.
std::filesystem::path heavy_snapshot(ScenarioRoom& room) {
  auto corpus = room.corpus;
  corpus.rows *= room.brief ? 1 : 4;
  auto snapshot = room.folder / "heavy-index";
  write_chaos_snapshot(snapshot, corpus, room.seed + 3);
  room.oracle.add(snapshot, corpus, room.seed + 3);
  return snapshot;
}

void overload(ScenarioRoom& room, ScenarioReport& report) {
  const auto usual_snapshot = std::exchange(room.snapshot, heavy_snapshot(room));
  const double usual_capacity = std::exchange(room.capacity, 0);
  TrialOptions options;
  options.pool = ", batch_queries_max: 1, queue_requests_max: 16";
  options.capacity_callers = 12;
  {
    // What they answer when enough callers wait for it that no node is ever idle.
    Trial probe(room, report, options);
    probe.finish();
  }
  // Three times as much, open loop: with callers enough for all that wait for their deadline.
  const double capacity = std::exchange(room.capacity, usual_capacity);
  options.threads = 256;
  options.rate_per_s = 3 * capacity;
  options.deadline = std::chrono::milliseconds(1000);
  Trial trial(room, report, options);
  const double seconds = room.brief ? 4 : 60;
  room.rest(1);
  const double begin = trial.now();
  room.rest(seconds);
  const double end = trial.now();
  trial.finish(true);
  std::int64_t good = 0;
  std::vector<double> accepted;
  for (const CallRecord& call : trial.calls()) {
    if (call.done < begin || call.done >= end) continue;
    if (call.outcome != CallOutcome::kRight) continue;
    ++good;
    accepted.push_back((call.done - call.sent) * 1000);
  }
  const double goodput = static_cast<double>(good) / (end - begin);
  report.figures.push_back({"goodput / capacity", 100 * goodput / capacity, 90, "%", true, true});
  report.figures.push_back(
      {"calls refused", static_cast<double>(report.errors), 1, "", true, true});
  report.timing("p99 of accepted calls", accepted.empty() ? 1e9 : percentile(accepted, 0.99), 1000,
                "ms");
  report.notes.push_back("capacity " + std::to_string(static_cast<int>(capacity)) + "/s, asked " +
                         std::to_string(static_cast<int>(options.rate_per_s)) +
                         "/s; clients and nodes share the cores of this machine");
  room.snapshot = usual_snapshot;
  // Normal load afterwards.
  Trial after(room, report);
  room.rest(2);
  const double normal = after.now();
  room.rest(1.5);
  const auto sum = after.window(normal, normal + 1.5);
  after.finish();
  report.count("errors at normal load", static_cast<double>(sum.errors), 0);
}

/// A time namespace of its own for one program: `unshare` of util-linux does it.
void other_clocks(ScenarioRoom& room, ScenarioReport& report) {
  if (!std::filesystem::exists("/proc/self/ns/time") ||
      !std::filesystem::exists("/usr/bin/unshare")) {
    throw SkipScenario("no time namespaces here (or no unshare)");
  }
  TrialOptions options;
  // The agent and its nodes live an hour ahead on the monotonic clock; head and clients do not.
  options.agent_prefix = {"/usr/bin/unshare", "--time", "--fork", "--kill-child",
                          "--monotonic",      "3600",   "--"};
  if (std::system("/usr/bin/unshare --time --monotonic 3600 true 2>/dev/null") != 0) {
    throw SkipScenario("time namespaces are not permitted here");
  }
  Trial trial(room, report, options);
  trial.measure_healthy(room.brief ? 2 : 15);
  const auto status = trial.colony().status();
  std::int64_t restarts = 0;
  for (const auto& member : status.members) restarts += member.restarts;
  trial.finish();
  report.count("restarts", static_cast<double>(restarts), 0);
  report.at_least("complete", status.complete ? 1 : 0, 1);
  report.notes.emplace_back(
      "nodes one hour ahead of head and clients on the monotonic clock; the wall clock of the "
      "machine is not touched, so that jumps of it are not tried");
}

void rolling_restart(ScenarioRoom& room, ScenarioReport& report) {
  Trial trial(room, report);
  trial.measure_healthy(room.brief ? 1 : 5);
  const double begin = trial.now();
  int restarted = 0, failed = 0;
  for (int round = 0; round < (room.brief ? 1 : 3); ++round) {
    const auto [code, words] =
        trial.colony().rookery({"restart", trial.colony().name()}, std::chrono::minutes(2));
    if (code == 0) {
      restarted += 4;
      continue;
    }
    // Without that command: each node is asked to go (it drains), and waited for.
    for (std::int32_t i = 0; i < 4; ++i) {
      const pid_t old = trial.pid_of(i % 2, i / 2);
      ::kill(old, SIGTERM);
      const bool back = room.wait_until(
          [&] {
            const auto member = trial.colony().member(i % 2, i / 2);
            return member && member->state == "ready" && member->pid != old;
          },
          20);
      restarted += back;
      failed += !back;
    }
  }
  const double end = trial.now();
  room.rest(0.5);
  trial.finish();
  report.count("nodes that did not come back", failed, 0);
  report.at_least("restarts", restarted, room.brief ? 4 : 12);
  report.timing("p99 / healthy p99", trial.p99_ratio(begin, end), 1.3, "x");
}

}  // namespace

std::vector<Scenario> load_scenarios() {
  return {{"F26", "the largest batches from many callers, then a node without memory", false,
           little_memory},
          {"F27", "three times the capacity, then normal load", false, overload},
          {"F29", "nodes whose monotonic clock is an hour ahead", false, other_clocks},
          {"F30", "rolling restart of all replicas under load", false, rolling_restart}};
}

}  // namespace rookery::launch
