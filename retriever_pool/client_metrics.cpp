#include "retriever_pool/client_metrics.hpp"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <array>
#include <string>

namespace rookery::retriever_pool {
namespace {

const prometheus::Histogram::BucketBoundaries kSeconds = {
    1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 0.1, 0.2, 0.5, 1, 2, 5, 10};
constexpr std::array kStates = {"well", "silent", "ejected", "probation", "away"};

const char* state_of(const RoutedReplica& replica, ReplicaRoster::Time now) {
  if (!replica.ready || !replica.health.is_connected()) return "away";
  if (replica.health.suspect()) return "silent";
  switch (replica.outlier.state(now)) {
    case OutlierDetector::State::kEjected:
      return "ejected";
    case OutlierDetector::State::kProbation:
      return "probation";
    case OutlierDetector::State::kIn:
      break;
  }
  return "well";
}

}  // namespace

std::string to_string(RetrievalFault fault) {
  switch (fault) {
    case RetrievalFault::kInvalid:
      return "invalid";
    case RetrievalFault::kUnavailable:
      return "unavailable";
    case RetrievalFault::kDeadline:
      return "deadline";
    case RetrievalFault::kOverloaded:
      return "overloaded";
    case RetrievalFault::kInternal:
      break;
  }
  return "internal";
}

std::string to_string(AttemptKind kind) {
  switch (kind) {
    case AttemptKind::kFirst:
      return "first";
    case AttemptKind::kRetry:
      return "retry";
    case AttemptKind::kHedge:
      return "hedge";
    case AttemptKind::kProbe:
      break;
  }
  return "probe";
}

std::string to_string(AttemptEnd end) {
  switch (end) {
    case AttemptEnd::kWon:
      return "won";
    case AttemptEnd::kFailed:
      return "failed";
    case AttemptEnd::kLost:
      return "lost";
    case AttemptEnd::kAbandoned:
      break;
  }
  return "abandoned";
}

struct ClientMetrics::Impl {
  explicit Impl(prometheus::Registry& registry)
      : calls(prometheus::BuildCounter()
                  .Name("rookery_client_calls_total")
                  .Help("Calls of the pool by result: ok or the fault")
                  .Register(registry)),
        seconds(prometheus::BuildHistogram()
                    .Name("rookery_client_call_seconds")
                    .Help("From the call to its answer or error")
                    .Register(registry)
                    .Add({}, kSeconds)),
        attempts(prometheus::BuildCounter()
                     .Name("rookery_client_attempts_total")
                     .Help("Messages to replicas, by what for and how they ended")
                     .Register(registry)),
        events(prometheus::BuildCounter()
                   .Name("rookery_client_left_out_total")
                   .Help("Replicas that were left out, by why: silent or ejected")
                   .Register(registry)),
        replicas(prometheus::BuildGauge()
                     .Name("rookery_client_replicas")
                     .Help("Replicas by what this client thinks of them")
                     .Register(registry)) {}
  prometheus::Family<prometheus::Counter>& calls;
  prometheus::Histogram& seconds;
  prometheus::Family<prometheus::Counter>& attempts;
  prometheus::Family<prometheus::Counter>& events;
  prometheus::Family<prometheus::Gauge>& replicas;
};

ClientMetrics::ClientMetrics(base::Metrics& metrics)
    : impl_(std::make_unique<Impl>(metrics.registry())) {}
ClientMetrics::~ClientMetrics() = default;

void ClientMetrics::call(const std::optional<RetrievalError>& error,
                         std::chrono::nanoseconds took) {
  impl_->calls.Add({{"result", error ? to_string(error->fault()) : "ok"}}).Increment();
  impl_->seconds.Observe(std::chrono::duration<double>(took).count());
}

void ClientMetrics::attempt(const AttemptReport& report) {
  impl_->attempts.Add({{"kind", to_string(report.kind)}, {"end", to_string(report.end)}})
      .Increment();
}

void ClientMetrics::noticed(RoutingPort::Event event) {
  impl_->events.Add({{"why", event == RoutingPort::Event::kSuspect ? "silent" : "ejected"}})
      .Increment();
}

void ClientMetrics::set_replicas(const ReplicaRoster& roster, ReplicaRoster::Time now) {
  for (const std::string state : kStates) {
    std::int64_t count = 0;
    for (const auto& [number, replica] : roster.all()) count += state == state_of(replica, now);
    impl_->replicas.Add({{"state", state}}).Set(static_cast<double>(count));
  }
}

}  // namespace rookery::retriever_pool
