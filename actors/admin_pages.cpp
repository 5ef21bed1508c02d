#include "actors/admin_pages.hpp"

#include <prometheus/gauge.h>
#include <prometheus/registry.h>

#include <charconv>
#include <chrono>
#include <map>
#include <string>
#include <utility>

#include "actors/dashboard_pages.hpp"
#include "base/process_metrics.hpp"

namespace rookery::actors {

namespace {

using retriever_pool::ReplicaState;

/// The colony's gauges, filled in from the board whenever somebody asks.
class ColonyGauges {
 public:
  ColonyGauges(const std::string& colony, prometheus::Registry& registry)
      : term_(gauge(registry, "rookery_head_term", "Rises with every start of a head.", colony)),
        epoch_(gauge(registry, "rookery_head_epoch", "Rises with every change of the routing view.",
                     colony)),
        restarts_(gauge(registry, "rookery_node_restarts",
                        "Restarts of the nodes that run, by their agents.", colony)),
        served_(gauge(registry, "rookery_node_requests_served",
                      "Requests served by the nodes that run, as last reported.", colony)),
        queue_(gauge(registry, "rookery_node_queue",
                     "Requests that wait in the nodes, as last reported.", colony)),
        replicas_(prometheus::BuildGauge()
                      .Name("rookery_replicas")
                      .Help("Wanted replicas by their state.")
                      .Labels({{"colony", colony}})
                      .Register(registry)) {}

  void update(const retriever_pool::RoutingView& view) {
    term_.Set(static_cast<double>(view.term));
    epoch_.Set(static_cast<double>(view.epoch));
    std::map<ReplicaState, int> counts;
    std::int64_t restarts = 0, served = 0, queue = 0;
    for (const auto& member : view.members) {
      ++counts[member.state];
      restarts += member.restarts;
      served += member.served;
      queue += member.queue;
    }
    restarts_.Set(static_cast<double>(restarts));
    served_.Set(static_cast<double>(served));
    queue_.Set(static_cast<double>(queue));
    for (const auto state : {ReplicaState::kJoining, ReplicaState::kLoading, ReplicaState::kReady,
                             ReplicaState::kDraining, ReplicaState::kGone}) {
      replicas_.Add({{"state", to_string(state)}}).Set(counts[state]);
    }
  }

 private:
  static prometheus::Gauge& gauge(prometheus::Registry& registry, const std::string& name,
                                  const std::string& help, const std::string& colony) {
    return prometheus::BuildGauge()
        .Name(name)
        .Help(help)
        .Labels({{"colony", colony}})
        .Register(registry)
        .Add({});
  }
  prometheus::Gauge &term_, &epoch_, &restarts_, &served_, &queue_;
  prometheus::Family<prometheus::Gauge>& replicas_;
};

/// The number of `name=…` in a query string; `fallback` where there is none.
std::int64_t number_of(const std::string& query, const std::string& name, std::int64_t fallback) {
  for (std::size_t at = 0; at < query.size();) {
    const auto end = std::min(query.find('&', at), query.size());
    const auto part = std::string_view(query).substr(at, end - at);
    at = end + 1;
    if (!part.starts_with(name + "=")) continue;
    const auto text = part.substr(name.size() + 1);
    std::int64_t number = 0;
    const auto [stopped, code] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (code == std::errc() && stopped == text.data() + text.size() && number >= 0) return number;
  }
  return fallback;
}

std::int64_t wall_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace

base::HttpHandler make_admin_pages(std::shared_ptr<StatusBoard> board,
                                   std::shared_ptr<const ColonyObserver> observer,
                                   base::Metrics& metrics) {
  auto gauges = std::make_shared<ColonyGauges>(board->view().colony, metrics.registry());
  auto process = std::make_shared<base::ProcessMetrics>(metrics, "head");
  return [board = std::move(board), observer = std::move(observer), gauges = std::move(gauges),
          process = std::move(process),
          &metrics](const base::HttpRequest& request, base::HttpReply& reply) {
    constexpr auto kText = "text/plain; charset=utf-8";
    constexpr auto kJson = "application/json";
    if (request.method != "GET") {
      reply.respond(405, kText, "this page is read with GET\n");
    } else if (request.path == "/healthz") {
      reply.respond(200, kText, "ok\n");
    } else if (request.path == "/readyz") {
      const bool ready = board->ready();
      reply.respond(ready ? 200 : 503, kText,
                    ready ? "every shard is served\n" : "not every shard is served yet\n");
    } else if (request.path == "/metrics") {
      gauges->update(board->view());
      process->update();
      reply.respond(200, "text/plain; version=0.0.4; charset=utf-8", metrics.text());
    } else if (request.path == "/v1/view") {
      reply.respond(200, kJson, board->view_json());
    } else if (request.path == "/v1/status") {
      reply.respond(200, kJson, board->status_json());
    } else if (request.path == "/v1/history") {
      // Never more than the ring holds; what was seen before `after` is not sent again.
      reply.respond(200, kJson,
                    observer->history().json(number_of(request.query, "seconds", 3600),
                                             number_of(request.query, "after", 0), wall_ms()));
    } else if (request.path == "/v1/events") {
      reply.respond(200, kJson, observer->events().json(number_of(request.query, "after", 0)));
    } else if (!answer_dashboard(request, reply)) {
      reply.respond(404, kText,
                    "no such page; there are /, /healthz, /readyz, /metrics, /v1/view, /v1/status, "
                    "/v1/history, /v1/events\n");
    }
  };
}

}  // namespace rookery::actors
