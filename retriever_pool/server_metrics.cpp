#include "retriever_pool/server_metrics.hpp"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <map>
#include <mutex>
#include <string>
#include <utility>

namespace rookery::retriever_pool {
namespace {

using Labels = std::map<std::string, std::string>;
using Counters = prometheus::Family<prometheus::Counter>;
using Histograms = prometheus::Family<prometheus::Histogram>;

const prometheus::Histogram::BucketBoundaries kSeconds = {1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3,
                                                          1e-2, 3e-2, 0.1,  0.3,  1,    3};
const prometheus::Histogram::BucketBoundaries kQueries = {1, 2, 4, 8, 16, 32, 64, 128, 256};

double seconds(std::chrono::nanoseconds time) {
  return std::chrono::duration<double>(time).count();
}

Counters& counters(prometheus::Registry& registry, const char* name, const char* help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry);
}

Histograms& histograms(prometheus::Registry& registry, const char* name, const char* help) {
  return prometheus::BuildHistogram().Name(name).Help(help).Register(registry);
}

}  // namespace

struct ServerMetrics::Impl {
  Impl(prometheus::Registry& registry, std::int32_t shard, const std::string& generation)
      : labels{{"shard", std::to_string(shard)}},
        queue(prometheus::BuildGauge()
                  .Name("rookery_pool_queue_requests")
                  .Help("Requests that wait for a search thread")
                  .Register(registry)
                  .Add(labels)),
        waits(histograms(registry, "rookery_pool_queue_wait_seconds",
                         "From arrival to the start of the search, by kind of index")),
        searches(histograms(registry, "rookery_pool_search_seconds", "One scan, by kind of index")),
        batches(histograms(registry, "rookery_pool_batch_queries",
                           "Queries merged into one scan, by kind of index")),
        answered(counters(registry, "rookery_pool_served_total", "Requests answered with documents")
                     .Add(labels)),
        lost(counters(registry, "rookery_pool_undelivered_total", "Answers whose client was gone")
                 .Add(labels)),
        merged(counters(registry, "rookery_pool_merged_requests_total",
                        "Requests that shared a scan with another one")
                   .Add(labels)),
        repeated(counters(registry, "rookery_pool_repeated_queries_total",
                          "Queries that were answered by the search of an equal one")
                     .Add(labels)),
        withdrawn(counters(registry, "rookery_pool_cancelled_total",
                           "Queries cancelled before they were searched")
                      .Add(labels)),
        bytes_in(counters(registry, "rookery_pool_received_bytes_total",
                          "Headers and bodies of messages that came")
                     .Add(labels)),
        bytes_out(counters(registry, "rookery_pool_sent_bytes_total",
                           "Headers and bodies of messages that went")
                      .Add(labels)),
        refusals(counters(registry, "rookery_pool_refused_total",
                          "Requests answered with an error, by reason and priority")),
        generations(prometheus::BuildGauge()
                        .Name("rookery_generation_info")
                        .Help("1 for the generation that is served")
                        .Register(registry)) {
    Labels with_generation = labels;
    with_generation["generation"] = generation;
    this_generation = &generations.Add(with_generation);
    this_generation->Set(1);
  }
  ~Impl() { generations.Remove(this_generation); }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  // The registry's own look-up costs microseconds, which short searches feel.
  struct Kind {
    prometheus::Histogram *wait, *search, *batch;
  };
  const Kind& of(const std::string& name) {
    const std::lock_guard lock(mutex);
    const auto found = kinds.find(name);
    if (found != kinds.end()) return found->second;
    Labels all = labels;
    all["kind"] = name;
    const Kind kind{&waits.Add(all, kSeconds), &searches.Add(all, kSeconds),
                    &batches.Add(all, kQueries)};
    return kinds.emplace(name, kind).first->second;
  }

  Labels labels;
  prometheus::Gauge& queue;
  Histograms &waits, &searches, &batches;
  prometheus::Counter &answered, &lost, &merged, &repeated, &withdrawn, &bytes_in, &bytes_out;
  Counters& refusals;
  prometheus::Family<prometheus::Gauge>& generations;
  prometheus::Gauge* this_generation = nullptr;
  std::mutex mutex;  // guards kinds
  std::map<std::string, Kind> kinds;
};

ServerMetrics::ServerMetrics(base::Metrics& metrics, std::int32_t shard,
                             const std::string& generation)
    : impl_(std::make_unique<Impl>(metrics.registry(), shard, generation)) {}
ServerMetrics::~ServerMetrics() = default;

void ServerMetrics::set_queue(std::int64_t requests) {
  impl_->queue.Set(static_cast<double>(requests));
}
void ServerMetrics::scan(const ServiceScan& scan) {
  const Impl::Kind& kind = impl_->of(scan.kind);
  for (const auto wait : scan.waits) kind.wait->Observe(seconds(wait));
  kind.batch->Observe(static_cast<double>(scan.queries));
  kind.search->Observe(seconds(scan.took));
  if (scan.requests > 1) impl_->merged.Increment(static_cast<double>(scan.requests));
  if (scan.repeated > 0) impl_->repeated.Increment(static_cast<double>(scan.repeated));
}
void ServerMetrics::served() { impl_->answered.Increment(); }
void ServerMetrics::undelivered() { impl_->lost.Increment(); }
void ServerMetrics::cancelled() { impl_->withdrawn.Increment(); }
void ServerMetrics::received(std::int64_t bytes) {
  impl_->bytes_in.Increment(static_cast<double>(bytes));
}
void ServerMetrics::sent(std::int64_t bytes) {
  impl_->bytes_out.Increment(static_cast<double>(bytes));
}
void ServerMetrics::refused(wire::ErrorCode code, Priority priority) {
  Labels labels = impl_->labels;
  labels["reason"] = wire::to_string(code);
  labels["priority"] = to_string(priority);
  impl_->refusals.Add(labels).Increment();
}

}  // namespace rookery::retriever_pool
