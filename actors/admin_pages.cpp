#include "actors/admin_pages.hpp"

#include <prometheus/gauge.h>
#include <prometheus/registry.h>

#include <map>
#include <string>
#include <utility>

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

}  // namespace

base::HttpHandler make_admin_pages(std::shared_ptr<StatusBoard> board, base::Metrics& metrics) {
  auto gauges = std::make_shared<ColonyGauges>(board->view().colony, metrics.registry());
  return [board = std::move(board), gauges = std::move(gauges), &metrics](
             const base::HttpRequest& request, base::HttpReply& reply) {
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
      reply.respond(200, "text/plain; version=0.0.4; charset=utf-8", metrics.text());
    } else if (request.path == "/v1/view") {
      reply.respond(200, kJson, board->view_json());
    } else if (request.path == "/v1/status") {
      reply.respond(200, kJson, board->status_json());
    } else {
      reply.respond(404, kText,
                    "no such page; there are /healthz, /readyz, /metrics, /v1/view, /v1/status\n");
    }
  };
}

}  // namespace rookery::actors
