// F5, F6, F8 to F11: the network between clients and nodes. All through fault proxies.
#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

#include "launch/chaos/scenario.hpp"
#include "launch/chaos/trial.hpp"

namespace rookery::launch {
namespace {

using std::chrono::milliseconds;

TrialOptions behind_proxies() {
  TrialOptions options;
  options.mirrored = true;
  return options;
}

double per_call(std::int64_t part, const CallSummary& sum) {
  return sum.right > 0 ? static_cast<double>(part) / static_cast<double>(sum.right) : 0;
}

std::vector<std::string> all_nodes(Trial& trial) {
  std::vector<std::string> nodes;
  for (const auto& member : trial.colony().status().members) nodes.push_back(member.node);
  return nodes;
}

/// F5 once; returns p99 with the slow replica ÷ p99 without, and the extra messages.
struct SlowReplica {
  double ratio = 0, extra = 0;
};
SlowReplica one_slow_replica(ScenarioRoom& room, ScenarioReport& report, bool hedged) {
  auto options = behind_proxies();
  options.client.hedge.enabled = hedged;
  Trial trial(room, report, options);
  trial.measure_healthy(room.brief ? 1.5 : 8);
  const auto node = trial.node_of(0, 0);
  ProxyFaults slow;
  slow.to_client.delay = milliseconds(
      std::max<std::int64_t>(20, static_cast<std::int64_t>(9 * trial.healthy().p50_ms)));
  for (std::size_t client = 0; client < 2; ++client) trial.mirror(client).set(node, slow);
  const double begin = trial.now();
  room.rest(room.brief ? 2 : 20);
  const double end = trial.now();
  trial.finish();
  const auto sum = summarise(trial.calls(), begin, end);
  return {trial.p99_ratio(begin, end), per_call(sum.attempts, sum) / room.corpus.shards - 1};
}

void slow_replica(ScenarioRoom& room, ScenarioReport& report) {
  const auto hedged = one_slow_replica(room, report, true);
  report.timing("p99 / healthy p99", hedged.ratio, 1.3, "x");
  report.timing("extra messages", 100 * hedged.extra, 5, "%");
  if (room.brief) return;
  const auto plain = one_slow_replica(room, report, false);
  char text[64];
  std::snprintf(text, sizeof text, "without hedging: p99 / healthy p99 %.1f x", plain.ratio);
  report.notes.emplace_back(text);
}

void partition_of_one_link(ScenarioRoom& room, ScenarioReport& report) {
  Trial trial(room, report, behind_proxies());
  trial.measure_healthy(room.brief ? 1.5 : 8);
  const auto node = trial.node_of(0, 0);
  ProxyFaults cut;
  cut.to_server.held = cut.to_client.held = true;
  trial.mirror(0).set(node, cut);
  const double begin = trial.now();
  room.rest(room.brief ? 3 : 20);
  const double end = trial.now();
  trial.mirror(0).heal();
  room.rest(room.brief ? 1 : 3);
  trial.finish();
  report.timing("p99 / healthy once out of rotation", trial.p99_ratio(begin + 1.5, end, 0), 1.5,
                "x");
  report.timing("the other client's p99 / healthy", trial.p99_ratio(begin, end, 1), 1.1, "x");
}

void one_way_partition(ScenarioRoom& room, ScenarioReport& report) {
  Trial trial(room, report, behind_proxies());
  trial.measure_healthy(room.brief ? 1.5 : 5);
  const auto node = trial.node_of(0, 0);
  ProxyFaults cut;
  cut.to_client.held = true;
  for (std::size_t client = 0; client < 2; ++client) trial.mirror(client).set(node, cut);
  const double begin = trial.now();
  room.rest(2);
  const auto before = trial.colony().member(0, 0);
  const double from = trial.now();
  room.rest(room.brief ? 2 : 10);
  const auto after = trial.colony().member(0, 0);
  const double to = trial.now();
  trial.mirror(0).heal();
  trial.mirror(1).heal();
  room.rest(room.brief ? 0.5 : 2);
  trial.finish();
  const auto sum = summarise(trial.calls(), from, to);
  const double wasted = before && after ? static_cast<double>(after->served - before->served) : 1e9;
  report.timing("searches for nobody, after 2 s",
                100 * wasted / std::max(1.0, static_cast<double>(sum.calls)), 5, "%");
  report.timing("p99 / healthy once out of rotation", trial.p99_ratio(begin + 1.5, to), 1.5, "x");
}

void packet_loss(ScenarioRoom& room, ScenarioReport& report) {
  // A call takes some 50 ms and may meet a pause: enough callers that none is sent late.
  auto options = behind_proxies();
  options.threads = 64;
  Trial trial(room, report, options);
  ProxyFaults slow;
  for (auto* flow : {&slow.to_server, &slow.to_client}) {
    flow->delay = milliseconds(20);
    flow->jitter = milliseconds(10);
  }
  const auto set = [&](double loss) {
    slow.to_server.loss = slow.to_client.loss = loss;
    for (std::size_t client = 0; client < 2; ++client) trial.mirror(client).set_all(slow);
  };
  set(0);
  const double seconds = room.brief ? 1.5 : 12;
  trial.measure_healthy(seconds);
  double ratio = 0;
  for (const double loss : {0.01, 0.05}) {
    set(loss);
    const double begin = trial.now();
    room.rest(seconds);
    (void)trial.window(begin, begin + seconds);
    if (loss < 0.02) ratio = trial.p99_ratio(begin, begin + seconds);
  }
  trial.finish();
  report.timing("p99 at 1 % loss / at none, both with 20 ± 10 ms", ratio, 2, "x");
}

/// Connections are cut in mid-frame, half-closed, and streams are damaged.
void broken_streams(ScenarioRoom& room, ScenarioReport& report) {
  Trial trial(room, report, behind_proxies());
  trial.measure_healthy(room.brief ? 1 : 4);
  std::mt19937_64 random(room.seed);
  const auto nodes = all_nodes(trial);
  const double each = room.brief ? 1 : 5;
  const auto phase = [&](const char* what, auto fault_of) {
    const auto connections = trial.mirror(0).counts().connections;
    // One replica of each shard is hurt, so that an answer can be had.
    for (std::size_t shard = 0; shard < 2; ++shard) {
      const auto node = trial.node_of(static_cast<std::int32_t>(shard), 0);
      for (std::size_t client = 0; client < 2; ++client) {
        trial.mirror(client).set(node, fault_of());
      }
    }
    room.rest(each);
    const double rate =
        static_cast<double>(trial.mirror(0).counts().connections - connections) / 2 / each;
    report.timing(std::string("connects a link and second, ") + what, rate, 5, "1/s");
    trial.mirror(0).heal();
    trial.mirror(1).heal();
    room.rest(room.brief ? 0.5 : 2);
  };
  phase("reset in mid-frame", [&] {
    ProxyFaults fault;
    fault.to_client.cut_after = 100 + static_cast<std::int64_t>(random() % 3000);
    return fault;
  });
  phase("half-closed", [&] {
    ProxyFaults fault;
    fault.to_server.cut_after = 500 + static_cast<std::int64_t>(random() % 3000);
    fault.to_server.half_close = true;
    return fault;
  });
  phase("bits flipped", [&] {
    ProxyFaults fault;
    fault.to_client.corruption = fault.to_server.corruption = 0.2;
    return fault;
  });
  phase("bytes twice", [&] {
    ProxyFaults fault;
    fault.to_client.duplication = 0.2;
    return fault;
  });
  phase("slow accept", [&] {
    ProxyFaults fault;
    fault.accept_delay = milliseconds(1500);
    fault.to_client.cut_after = 2000;
    return fault;
  });
  // After all that every link must be of use again: the whole machine is asked once more.
  const double healed = trial.now();
  const auto served = trial.colony().status();
  const auto used = [&] {
    const auto now = trial.colony().status();
    for (std::size_t i = 0; i < now.members.size(); ++i) {
      if (now.members[i].served <= served.members[i].served) return false;
    }
    return true;
  };
  const bool all_used = room.wait_until(used, 10);
  // A replica that is slow to be asked again is no danger: the full run judges it.
  report.figures.push_back({"every replica serves again", all_used ? 1.0 : 0.0, 1, "", true, true});
  report.timing("until every replica serves again", trial.now() - healed, 3, "s");
  report.notes.push_back(std::to_string(trial.mirror(0).counts().resets) + " cuts and " +
                         std::to_string(trial.mirror(0).counts().damaged) +
                         " damaged pieces on the first client's links");
  trial.finish();
}

void swizzle(ScenarioRoom& room, ScenarioReport& report) {
  Trial trial(room, report, behind_proxies());
  trial.measure_healthy(room.brief ? 1.5 : 5);
  auto nodes = all_nodes(trial);
  std::mt19937_64 random(room.seed);
  ProxyFaults cut;
  cut.to_server.held = cut.to_client.held = true;
  const double step = room.brief ? 0.3 : 1;
  const double begin = trial.now();
  std::shuffle(nodes.begin(), nodes.end(), random);
  for (const auto& node : nodes) {
    for (std::size_t client = 0; client < 2; ++client) trial.mirror(client).set(node, cut);
    room.rest(step);
  }
  std::shuffle(nodes.begin(), nodes.end(), random);
  for (const auto& node : nodes) {
    for (std::size_t client = 0; client < 2; ++client) trial.mirror(client).set(node, {});
    room.rest(step);
  }
  const double opened = trial.now();
  room.rest(room.brief ? 2.5 : 6);
  const double end = trial.now();
  trial.finish(true);
  double full = opened;  // the last call that was slow or failed
  for (const CallRecord& call : trial.calls()) {
    const bool slow = (call.done - call.due) * 1000 > std::max(100.0, 3 * trial.healthy().p99_ms);
    if (call.due > opened && (slow || call.outcome != CallOutcome::kRight)) {
      full = std::max(full, call.due);
    }
  }
  const auto sum = summarise(trial.calls(), begin, end);
  const auto after = summarise(trial.calls(), std::min(opened + 3, end - 0.5), end);
  report.timing("messages per call and shard", per_call(sum.attempts, sum) / 2, 1.2, "");
  report.timing("all calls quick again after the last link opened", full - opened, 3, "s");
  report.count("errors later than that", static_cast<double>(after.errors), 0);
}

}  // namespace

std::vector<Scenario> network_scenarios() {
  return {{"F5", "one replica ten times slower", false, slow_replica},
          {"F6", "no way between one client and one replica", true, partition_of_one_link},
          {"F8", "requests arrive, replies do not", false, one_way_partition},
          {"F9", "20 ± 10 ms on all links, then 1 % and 5 % loss", false, packet_loss},
          {"F10", "connections cut in mid-frame, half-closed, damaged, slow to open", true,
           broken_streams},
          {"F11", "all links stop one by one and open in another order", false, swizzle}};
}

}  // namespace rookery::launch
