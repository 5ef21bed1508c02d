#include "routing_simulation.hpp"

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <random>

#include "message_ledger.hpp"
#include "retriever_pool/admission_queue.hpp"
#include "retriever_pool/routing_core.hpp"

namespace rookery::retriever_pool::testing {
namespace {

using namespace std::chrono_literals;
using std::chrono::microseconds;
using Time = RoutingCore::Time;
using Replica = RequestPlan::Replica;

constexpr microseconds kDeadline = 2s;
constexpr std::chrono::milliseconds kAttemptTimeout{500};

/// One replica with its connection. Both ways of the connection can be stopped by themselves; what
/// is stopped arrives when it is opened, in order, unless the connection broke meanwhile.
struct Server {
  Replica number = 0;
  ReplicaPlace place;
  AdmissionQueue queue{AdmissionLimits{64, 1 << 20, 8}};
  bool up = true, connected = true, frozen = false, searching = false;
  std::uint64_t life = 1;  // messages and searches of an earlier one are void
  double slowness = 1;
  bool clogged[2] = {false, false};  // to it, from it
  Time last_arrival[2] = {};
  std::vector<std::function<void()>> held[2], thawing;
};

class Simulation final : public RoutingPort {
 public:
  explicit Simulation(const SimulationPlan& plan)
      : plan_(plan), random_(plan.seed), core_(options(plan), *this) {
    for (Replica n = 0; n < static_cast<Replica>(plan.shards) * static_cast<Replica>(plan.replicas);
         ++n) {
      add_server("g1", static_cast<std::int32_t>(n) % plan.shards);
    }
    target_ = {"main", "g1", plan.shards};
  }

  SimulationReport run() {
    Time at = now_ + 100ms;
    for (std::int32_t i = 1; i <= plan_.calls; ++i) {
      schedule(at, [this, i] { begin(static_cast<std::uint64_t>(i)); });
      at += microseconds(static_cast<std::int64_t>(1e6 / plan_.calls_per_s * 2 * chance()));
    }
    const Time end = at;
    if (plan_.faults) plan_faults(end);
    if (plan_.swap) schedule(now_ + (end - now_) / 2, [this] { swap(); });
    while (!events_.empty() || core_.calls() > 0) {
      const Time core = core_.next_event(now_);
      const bool event_first = !events_.empty() && events_.begin()->first.first <= core;
      if (!event_first && events_.empty() && core_.calls() == 0) break;
      const Time next = event_first ? events_.begin()->first.first : core;
      now_ = std::max(now_ + (event_first ? 0us : 1us), next);
      if (event_first) {
        const auto action = std::move(events_.begin()->second);
        events_.erase(events_.begin());
        action();
      }
      core_.step(now_);
      ledger_.stepped([this](std::int32_t shard) { return askable(shard); });
      if (now_ > end + 30s || ++steps_ > 3'000'000) {
        lie("the run does not end");
        break;
      }
    }
    for (const auto& [call, begun] : open_) lie("call " + std::to_string(call) + " never ended");
    const double most = 0.05 * static_cast<double>(report_.begun * plan_.shards) * 1.01 +
                        plan_.shards * HedgeBudget::kBurst;
    if (static_cast<double>(report_.hedges) > most) {
      lie(std::to_string(report_.hedges) + " hedges");
    }
    std::sort(report_.latencies_ms.begin(), report_.latencies_ms.end());
    return report_;
  }

 private:
  static RoutingOptions options(const SimulationPlan& plan) {
    RoutingOptions options;
    options.retry = {kAttemptTimeout, 4, 64};
    options.seed = plan.seed;
    return options;
  }
  double chance() { return std::generate_canonical<double, 53>(random_); }
  std::size_t pick(std::size_t count) { return static_cast<std::size_t>(random_() % count); }
  void schedule(Time at, std::function<void()> action) {
    events_.emplace(std::pair{std::max(at, now_), next_event_++}, std::move(action));
  }
  void lie(const std::string& what) {
    if (report_.lies.size() < 5) report_.lies.push_back(what);
  }

  // --- calls ---

  void begin(std::uint64_t call) {
    ++report_.begun;
    open_[call] = now_;
    core_.begin({call, now_ + kDeadline, 1}, now_);
  }
  void finished(std::uint64_t call, CallResult result) override {
    const auto found = open_.find(call);
    const std::string name = "call " + std::to_string(call);
    if (found == open_.end()) return lie(name + " ended twice");
    if (now_ > found->second + kDeadline + 2ms) lie(name + " ended late");
    ledger_.call_over(call);
    report_.latencies_ms.push_back(
        std::chrono::duration<double, std::milli>(now_ - found->second).count());
    report_.attempts += result.attempts;
    report_.hedges += result.hedges;
    // A first one, failures_max, a hedge and a probe a shard, and those whose connection broke.
    if (result.attempts > plan_.shards * 70) lie(name + " took too many attempts");
    if (result.error) {
      ++report_.errors;
      if (found->second > calm_since_) {
        report_.last_error_s =
            std::max(report_.last_error_s,
                     std::chrono::duration<double>(found->second - calm_since_).count());
      }
    } else {
      ++report_.answered;
      if (std::ssize(result.answers) != plan_.shards) lie(name + " is not complete");
      for (std::size_t s = 0; s < result.answers.size(); ++s) {
        const auto& rows = result.answers[s].rows;
        const std::string expected = result.generation + "/" + std::to_string(s);
        if (rows.empty() || rows[0][0].id != static_cast<std::int64_t>(call) ||
            rows[0][0].text != expected) {
          lie(name + " has another's answer");
        }
      }
    }
    open_.erase(found);
  }
  Targeting target(std::uint64_t) override { return {target_, {}}; }
  void attempt_over(const AttemptReport& report) override { ledger_.over(report, now_); }
  // While two generations are there, a call may have to wait for a replica of the older one.
  [[nodiscard]] bool askable(std::int32_t shard) const {
    bool any = false;
    for (const auto& [number, server] : servers_) {
      if (server.place.shard != shard) continue;
      if (server.place.generation != target_.generation) return false;
      any |= server.connected;
    }
    return any;
  }

  // --- the network ---

  Server* server(Replica number) {
    const auto found = servers_.find(number);
    return found == servers_.end() ? nullptr : &found->second;
  }
  void add_server(const std::string& generation, std::int32_t shard) {
    const Replica number = ++next_number_;
    Server& server = servers_[number];
    server.number = number;
    server.place = {"main", generation, shard};
    core_.add(number, server.place);
    schedule(now_ + microseconds(random_() % 20'000),
             [this, number] { core_.connected(number, now_); });
  }
  void carry(Server& server, int way, std::function<void()> arrive, std::int32_t segments = 1) {
    if (server.clogged[way]) {
      server.held[way].push_back(std::move(arrive));
      return;
    }
    auto delay = plan_.delay + microseconds(static_cast<std::int64_t>(
                                   (2 * chance() - 1) * static_cast<double>(plan_.jitter.count())));
    if (chance() < 0.002) delay += 20ms;  // a packet that was sent again
    for (std::int32_t segment = 0; segment < segments; ++segment) {
      if (plan_.loss > 0 && chance() < plan_.loss) delay = plan_.delay + plan_.retransmission;
    }
    // A connection keeps its order.
    server.last_arrival[way] = std::max(server.last_arrival[way], now_ + delay);
    schedule(server.last_arrival[way],
             [this, number = server.number, life = server.life, arrive = std::move(arrive)] {
               Server* still = this->server(number);
               if (still != nullptr && still->life == life) arrive();
             });
  }
  bool deliver(Replica number, PendingRequest request) {
    Server* to = server(number);
    if (to == nullptr || !to->connected) return false;
    const bool query = request.header.type == wire::Type::kQuery;
    const auto handle = [this, number, request = std::move(request)]() mutable {
      Server& server = servers_.at(number);
      if (server.frozen) {
        server.thawing.push_back([this, number, request] { arrive(servers_.at(number), request); });
      } else {
        arrive(server, request);
      }
    };
    carry(*to, 0, handle, query ? plan_.query_segments : 1);
    return true;
  }
  bool send_query(const QueryMessage& message) override {
    PendingRequest request;
    request.client = "client";
    request.header.type = wire::Type::kQuery;
    request.header.request = {1, message.id.first};
    request.header.attempt = message.id.second;
    request.header.generation = message.target->generation;
    request.header.remaining_us = static_cast<std::uint64_t>(message.remaining.count());
    request.body.batch = 1;
    if (!deliver(message.replica, std::move(request))) return false;
    ledger_.sent(message.id, message.shard);
    return true;
  }
  bool send_ping(Replica replica, std::uint32_t number) override {
    PendingRequest request;
    request.client = "client";
    request.header.type = wire::Type::kPing;
    request.header.attempt = number;
    request.header.remaining_us = 10'000'000;
    return deliver(replica, std::move(request));
  }
  void send_cancel(Replica replica, std::uint64_t call) override {
    PendingRequest request;
    request.header.type = wire::Type::kCancel;
    request.header.request = {1, call};
    deliver(replica, std::move(request));
  }

  // --- servers ---

  void arrive(Server& server, PendingRequest request) {
    if (request.header.type == wire::Type::kCancel) {
      server.queue.cancel("client", request.header.request);
      return;
    }
    request.arrived = now_;
    request.deadline = now_ + microseconds(request.header.remaining_us);
    if (request.header.type == wire::Type::kQuery && chance() < 0.003) {  // a rare mishap
      return refuse(server, request.header, wire::ErrorCode::kInternal);
    }
    const wire::Header header = request.header;
    if (const auto refusal = server.queue.admit(std::move(request), now_)) {
      return refuse(server, header, refusal->code);
    }
    for (const auto& [displaced, why] : server.queue.take_displaced()) {
      refuse(server, displaced.header, why.code);
    }
    search(server);
  }
  void search(Server& server) {
    if (server.searching || server.frozen || server.queue.empty()) return;
    auto batch = std::make_shared<AdmissionQueue::Batch>(server.queue.take_batch(now_));
    server.searching = true;
    double us = 2000 + 2000 * chance();
    if (chance() < 0.01) us *= 5;
    report_.searched += std::ssize(batch->requests);
    const auto took = microseconds(static_cast<std::int64_t>(us * server.slowness));
    schedule(now_ + took, [this, number = server.number, life = server.life, batch, took] {
      Server* still = this->server(number);
      if (still == nullptr || still->life != life) return;
      if (still->frozen) {
        still->thawing.push_back(
            [this, number, batch, took] { done(servers_.at(number), *batch, took); });
      } else {
        done(*still, *batch, took);
      }
    });
  }
  void done(Server& server, const AdmissionQueue::Batch& batch, microseconds took) {
    server.searching = false;
    server.queue.record(1, std::max<std::int64_t>(std::ssize(batch.requests), 1), took);
    server.queue.finished(now_);
    for (const PendingRequest& request : batch.expired) {
      refuse(server, request.header, wire::ErrorCode::kDeadline);
    }
    for (const PendingRequest& request : batch.requests) {
      answer(server, request);
      if (chance() < 0.01) answer(server, request);  // twice
    }
    search(server);
  }
  void answer(Server& server, const PendingRequest& request) {
    const wire::Header header = request.header;
    carry(server, 1, [this, header, number = server.number, place = server.place] {
      if (header.type == wire::Type::kPing) return core_.ponged(number, header.attempt, now_);
      const AttemptId id{header.request.low, header.attempt};
      if (core_.expectation(number, id) == RoutingCore::Expectation::kNone) return;
      Document document;
      document.id = static_cast<std::int64_t>(header.request.low);
      document.text = place.generation + "/" + std::to_string(place.shard);
      wire::AnswerBody body;
      body.rows = {{document}};
      core_.answered(number, id, std::move(body), now_);
    });
  }
  void refuse(Server& server, const wire::Header& header, wire::ErrorCode code) {
    carry(server, 1, [this, header, code, number = server.number] {
      if (header.type == wire::Type::kPing) return core_.ponged(number, header.attempt, now_);
      core_.failed(number, {header.request.low, header.attempt}, {code, 5, "simulated"}, now_);
    });
  }

  // --- faults ---

  void plan_faults(Time end) {
    Time at = now_ + 500ms;
    while (at < end - 6s) {
      const auto lasts = 100ms + microseconds(random_() % 1'500'000);
      const std::size_t kind = plan_.swizzle ? 6 : pick(8);
      schedule(at, [this, kind, lasts] { fault(kind, lasts); });
      calm_since_ = at + lasts + 1s;
      at += lasts + microseconds(random_() % 1'500'000);
    }
  }
  void fault(std::size_t kind, microseconds lasts) {
    auto item = std::next(servers_.begin(), static_cast<std::ptrdiff_t>(pick(servers_.size())));
    Server& victim = item->second;
    const Replica number = victim.number;
    const auto later = [&](void (Simulation::*undo)(Replica)) {
      schedule(now_ + lasts, [this, number, undo] {
        if (server(number) != nullptr) (this->*undo)(number);
      });
    };
    switch (kind) {
      case 0:  // a crash; it returns with nothing in its queue
        break_connection(victim);
        victim.queue = AdmissionQueue{AdmissionLimits{64, 1 << 20, 8}};
        victim.searching = false;
        later(&Simulation::reconnect);
        break;
      case 1:  // the connection breaks, the server lives
        break_connection(victim);
        later(&Simulation::reconnect);
        break;
      case 2:
        victim.frozen = true;
        later(&Simulation::thaw);
        break;
      case 3:
        victim.slowness = 10;
        later(&Simulation::hasten);
        break;
      case 4:  // one way only
      case 5:
        victim.clogged[kind - 4] = true;
        later(&Simulation::unclog);
        break;
      case 6:  // all links, one by one, and open again in another order
        for (const auto& [each, ignored] : servers_) {
          const auto stop = microseconds(random_() % static_cast<std::uint64_t>(lasts.count()));
          schedule(now_ + stop / 2, [this, each = each] {
            if (Server* s = server(each)) s->clogged[0] = s->clogged[1] = true;
          });
          schedule(now_ + lasts + stop / 2, [this, each = each] {
            if (server(each) != nullptr) unclog(each);
          });
        }
        break;
      default:  // half open: nothing passes, and then it breaks
        victim.clogged[0] = victim.clogged[1] = true;
        schedule(now_ + lasts / 2, [this, number] {
          if (Server* s = server(number)) break_connection(*s);
        });
        later(&Simulation::reconnect);
        break;
    }
  }
  void break_connection(Server& server) {
    ++server.life;
    if (!server.connected) return;
    server.connected = false;
    for (auto& held : server.held) held.clear();
    server.searching = false;
    server.thawing.clear();
    core_.disconnected(server.number, "the connection broke", now_);
  }
  void reconnect(Replica number) {
    Server& server = servers_.at(number);
    unclog(number);
    if (server.connected) return;
    server.connected = true;
    server.last_arrival[0] = server.last_arrival[1] = now_;
    core_.connected(number, now_);
    search(server);
  }
  void thaw(Replica number) {
    Server& server = servers_.at(number);
    server.frozen = false;
    const auto waiting = std::move(server.thawing);
    server.thawing.clear();
    for (const auto& action : waiting) action();
    search(server);
  }
  void hasten(Replica number) { servers_.at(number).slowness = 1; }
  void unclog(Replica number) {
    Server& server = servers_.at(number);
    for (const int way : {0, 1}) {
      server.clogged[way] = false;
      const auto waiting = std::move(server.held[way]);
      server.held[way].clear();
      for (const auto& arrive : waiting) carry(server, way, arrive);
    }
  }
  void swap() {
    std::vector<Replica> old;
    for (const auto& [number, server] : servers_) old.push_back(number);
    for (std::size_t i = 0; i < old.size(); ++i) {
      add_server("g2", static_cast<std::int32_t>(i) % plan_.shards);
    }
    schedule(now_ + 50ms, [this, old] {
      target_.generation = "g2";
      core_.view_changed();
      // One by one: calls that begin anew still get answers of the old generation.
      for (const Replica number : old) {
        schedule(now_ + microseconds(random_() % 20'000), [this, number] {
          core_.remove(number, "left", now_);
          servers_.erase(number);
        });
      }
    });
  }

  SimulationPlan plan_;
  std::mt19937_64 random_;
  Time now_ = Time{} + 1h;
  Time calm_since_ = Time{};
  RoutingCore core_;
  PlanTarget target_;
  std::map<Replica, Server> servers_;
  Replica next_number_ = 0;
  std::map<std::pair<Time, std::uint64_t>, std::function<void()>> events_;
  std::uint64_t next_event_ = 0, steps_ = 0;
  std::map<std::uint64_t, Time> open_;
  MessageLedger ledger_{[this](const std::string& what) { lie(what); }, kAttemptTimeout};
  SimulationReport report_;
};

}  // namespace

double SimulationReport::percentile(double share) const {
  if (latencies_ms.empty()) return 0;
  const double rank = share * static_cast<double>(latencies_ms.size() - 1);
  return latencies_ms[static_cast<std::size_t>(rank)];
}

SimulationReport simulate(const SimulationPlan& plan) { return Simulation(plan).run(); }

}  // namespace rookery::retriever_pool::testing
