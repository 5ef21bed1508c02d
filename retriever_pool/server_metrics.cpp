#include "retriever_pool/server_metrics.hpp"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <string>

namespace rookery::retriever_pool {
namespace {

using Labels = std::map<std::string, std::string>;

const prometheus::Histogram::BucketBoundaries kSeconds = {1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3,
                                                          1e-2, 3e-2, 0.1,  0.3,  1,    3};
const prometheus::Histogram::BucketBoundaries kQueries = {1, 2, 4, 8, 16, 32, 64, 128, 256};

double seconds(std::chrono::nanoseconds time) {
  return std::chrono::duration<double>(time).count();
}

}  // namespace

struct ServerMetrics::Impl {
  Impl(prometheus::Registry& registry, std::int32_t shard)
      : labels{{"shard", std::to_string(shard)}},
        queue(prometheus::BuildGauge()
                  .Name("rookery_pool_queue_requests")
                  .Help("Requests that wait for a search thread")
                  .Register(registry)
                  .Add(labels)),
        wait(prometheus::BuildHistogram()
                 .Name("rookery_pool_queue_wait_seconds")
                 .Help("From arrival to the start of the search")
                 .Register(registry)
                 .Add(labels, kSeconds)),
        search(prometheus::BuildHistogram()
                   .Name("rookery_pool_search_seconds")
                   .Help("One scan, by kind of index")
                   .Register(registry)),
        queries(prometheus::BuildHistogram()
                    .Name("rookery_pool_batch_queries")
                    .Help("Queries merged into one scan, by kind of index")
                    .Register(registry)),
        answered(prometheus::BuildCounter()
                     .Name("rookery_pool_served_total")
                     .Help("Requests answered with documents")
                     .Register(registry)
                     .Add(labels)),
        lost(prometheus::BuildCounter()
                 .Name("rookery_pool_undelivered_total")
                 .Help("Answers whose client was gone")
                 .Register(registry)
                 .Add(labels)),
        refusals(prometheus::BuildCounter()
                     .Name("rookery_pool_refused_total")
                     .Help("Requests answered with an error, by reason")
                     .Register(registry)) {}

  Labels labels;
  prometheus::Gauge& queue;
  prometheus::Histogram& wait;
  prometheus::Family<prometheus::Histogram>& search;
  prometheus::Family<prometheus::Histogram>& queries;
  prometheus::Counter& answered;
  prometheus::Counter& lost;
  prometheus::Family<prometheus::Counter>& refusals;
};

ServerMetrics::ServerMetrics(base::Metrics& metrics, std::int32_t shard)
    : impl_(std::make_unique<Impl>(metrics.registry(), shard)) {}
ServerMetrics::~ServerMetrics() = default;

void ServerMetrics::set_queue(std::int64_t requests) {
  impl_->queue.Set(static_cast<double>(requests));
}
void ServerMetrics::queue_wait(std::chrono::nanoseconds wait) {
  impl_->wait.Observe(seconds(wait));
}
void ServerMetrics::scan(const ServiceScan& scan) {
  Labels labels = impl_->labels;
  labels["kind"] = scan.kind;
  impl_->queries.Add(labels, kQueries).Observe(static_cast<double>(scan.queries));
  impl_->search.Add(labels, kSeconds).Observe(seconds(scan.took));
}
void ServerMetrics::served() { impl_->answered.Increment(); }
void ServerMetrics::undelivered() { impl_->lost.Increment(); }
void ServerMetrics::refused(wire::ErrorCode code) {
  Labels labels = impl_->labels;
  labels["reason"] = wire::to_string(code);
  impl_->refusals.Add(labels).Increment();
}

}  // namespace rookery::retriever_pool
