#include "serving/serving_metrics.hpp"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

namespace rookery::serving {
namespace {

prometheus::Counter& counter(prometheus::Registry& registry, const std::string& name,
                             const std::string& help) {
  return prometheus::BuildCounter()
      .Name("rookery_serving_" + name)
      .Help(help)
      .Register(registry)
      .Add({});
}

prometheus::Histogram& seconds(prometheus::Registry& registry, const std::string& name,
                               const std::string& help) {
  return prometheus::BuildHistogram()
      .Name("rookery_serving_" + name)
      .Help(help)
      .Register(registry)
      .Add({}, prometheus::Histogram::BucketBoundaries{0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5,
                                                       10, 25, 60, 120});
}

}  // namespace

struct ServingMetrics::Impl {
  explicit Impl(prometheus::Registry& registry)
      : requests(prometheus::BuildCounter()
                     .Name("rookery_serving_requests_total")
                     .Help("Requests by how they ended")
                     .Register(registry)),
        tokens(counter(registry, "tokens_total", "Verified tokens")),
        calls(counter(registry, "retrieval_calls_total", "Calls of the pool")),
        queries(counter(registry, "retrieval_queries_total", "Queries in those calls")),
        guesses(counter(registry, "speculation_checked_total", "Guesses that were verified")),
        hits(counter(registry, "speculation_hits_total", "Guesses that were right")),
        strides(counter(registry, "strides_total", "Strides the generator ran")),
        wasted(counter(registry, "wasted_strides_total", "Strides that were rolled back")),
        first_token(
            seconds(registry, "first_token_seconds", "From start of work to verified text")),
        request(seconds(registry, "request_seconds", "Work on one request")),
        retrieval(seconds(registry, "retrieval_seconds", "Calls of the pool in one request")),
        queue(prometheus::BuildGauge()
                  .Name("rookery_serving_queue_requests")
                  .Help("Requests that wait")
                  .Register(registry)
                  .Add({})) {}

  void ended(const std::string& how) { requests.Add({{"outcome", how}}).Increment(); }

  prometheus::Family<prometheus::Counter>& requests;
  prometheus::Counter &tokens, &calls, &queries, &guesses, &hits, &strides, &wasted;
  prometheus::Histogram &first_token, &request, &retrieval;
  prometheus::Gauge& queue;
};

ServingMetrics::ServingMetrics(base::Metrics& metrics)
    : impl_(std::make_unique<Impl>(metrics.registry())) {}
ServingMetrics::~ServingMetrics() = default;

void ServingMetrics::answered(const Answer& answer) {
  const auto add = [](prometheus::Counter& to, std::int64_t count) {
    to.Increment(static_cast<double>(count));
  };
  impl_->ended(to_string(answer.finish));
  add(impl_->tokens, static_cast<std::int64_t>(answer.tokens.size()));
  add(impl_->calls, answer.counts.calls);
  add(impl_->queries, answer.counts.queries);
  add(impl_->guesses, answer.counts.checked);
  add(impl_->hits, answer.counts.hits);
  add(impl_->strides, answer.counts.strides);
  add(impl_->wasted, answer.counts.wasted_strides);
  if (!answer.tokens.empty()) impl_->first_token.Observe(answer.times.first_token_s);
  impl_->request.Observe(answer.times.seconds);
  impl_->retrieval.Observe(answer.times.retrieval_s);
}

void ServingMetrics::failed() { impl_->ended("failed"); }
void ServingMetrics::refused() { impl_->ended("refused"); }
void ServingMetrics::rejected() { impl_->ended("rejected"); }
void ServingMetrics::waiting(std::int64_t requests) {
  impl_->queue.Set(static_cast<double>(requests));
}

}  // namespace rookery::serving
