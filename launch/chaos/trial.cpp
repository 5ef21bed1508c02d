#include "launch/chaos/trial.hpp"

#include <algorithm>
#include <stdexcept>

#include "base/error.hpp"

namespace rookery::launch {
namespace {

constexpr double kWarmUp = 1.0, kWarmUpBrief = 0.4;
constexpr double kSettle = 0.3;

}  // namespace

Trial::Trial(ScenarioRoom& room, ScenarioReport& report, const TrialOptions& options)
    : room_(room), report_(report), options_(options) {
  if (room.keyed && options.mirrored) {
    throw SkipScenario("its proxies stand between clients and nodes, where keys do not pass");
  }
  ChaosColonyOptions colony;
  colony.keyed = room.keyed;
  colony.home = room.folder / ("home-" + std::to_string(++room.colonies));
  colony.snapshot = room.snapshot;
  colony.pool = options.pool;
  colony.index = options.index;
  colony.proxied_control = options.proxied_control;
  colony.agent_prefix = options.agent_prefix;
  colony_ = std::make_unique<ChaosColony>(colony);
  ChaosLoad::Clients clients;
  for (std::int32_t i = 0; i < options.clients; ++i) {
    auto client = options.client;
    client.seed = room.seed + static_cast<std::uint64_t>(i);
    if (options.mirrored) {
      mirrors_.push_back(std::make_unique<ViewMirror>(
          colony_->routing(), room.seed * 1000 + static_cast<std::uint64_t>(i) * 100));
      client.head = mirrors_.back()->endpoint();
    }
    clients.push_back(colony_->client(client));
  }
  if (room.capacity <= 0) {
    room.capacity = measure_capacity(clients, room.oracle, options.capacity_callers,
                                     std::chrono::milliseconds(room.brief ? 500 : 2000));
  }
  ChaosLoadOptions load;
  load.rate_per_s = options.rate_per_s > 0 ? options.rate_per_s : room.rate();
  load.threads = options.threads;
  load.deadline = options.deadline;
  load_ = std::make_unique<ChaosLoad>(std::move(clients), room.oracle, load);
}

Trial::~Trial() {
  if (load_) load_->stop();
  load_.reset();  // clients before their mirrors
}

void Trial::measure_healthy(double seconds) {
  room_.rest(room_.brief ? kWarmUpBrief : kWarmUp);
  healthy_from_ = now();
  room_.rest(seconds);
  healthy_to_ = now();
  healthy_ = window(healthy_from_, healthy_to_);
}

pid_t Trial::pid_of(std::int32_t shard, std::int32_t replica) const {
  const auto member = colony_->member(shard, replica);
  if (!member || member->pid <= 0) throw std::runtime_error("the head does not know the node");
  return static_cast<pid_t>(member->pid);
}

std::string Trial::node_of(std::int32_t shard, std::int32_t replica) const {
  const auto member = colony_->member(shard, replica);
  if (!member) throw std::runtime_error("the head does not know the node");
  return member->node;
}

CallSummary Trial::window(double from, double to, std::int32_t client) {
  if (!finished_) {
    const double wait = to + kSettle - now();
    if (wait > 0) room_.rest(wait);
    return summarise(load_->calls(), from, to, client);
  }
  return summarise(calls_, from, to, client);
}

double Trial::first_right_after(double moment) {
  double first = -1;
  for (const CallRecord& call : finished_ ? calls_ : load_->calls()) {
    if (call.outcome != CallOutcome::kRight || call.done < moment) continue;
    if (first < 0 || call.done - moment < first) first = call.done - moment;
  }
  return first;
}

double Trial::p99_ratio(double from, double to, std::int32_t client) {
  const auto& calls = finished_ ? calls_ : load_->calls();
  const double normal =
      std::max(1.0, latency_percentile(calls, healthy_from_, healthy_to_, 0.99, client));
  return latency_percentile(calls, from, to, 0.99, client) / normal;
}

void Trial::finish(bool failed_allowed) {
  report_.lost += load_->stop();
  calls_ = load_->calls();
  finished_ = true;
  const auto sum = summarise(calls_, 0, 1e9);
  report_.calls += sum.calls;
  report_.errors += sum.errors;
  report_.wrong += sum.wrong;
  report_.late += sum.late;
  report_.duplicate += sum.misplaced;
  if (!failed_allowed) {
    report_.count("failed calls", static_cast<double>(sum.errors), 0);
    if (!sum.error_words.empty()) {
      report_.notes.push_back("first words of an error: " + sum.error_words.begin()->first);
    }
  }
  if (healthy_.calls > 0) {
    char text[96];
    std::snprintf(text, sizeof text, "healthy: p50 %.1f ms, p99 %.1f ms at %.0f calls/s",
                  healthy_.p50_ms, healthy_.p99_ms,
                  static_cast<double>(healthy_.calls) / (healthy_to_ - healthy_from_));
    report_.notes.push_back(text);
  }
}

}  // namespace rookery::launch
