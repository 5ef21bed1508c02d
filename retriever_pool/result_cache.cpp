#include "retriever_pool/result_cache.hpp"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/registry.h>

#include <utility>

#include "base/metrics.hpp"

namespace rookery::retriever_pool {
namespace {

std::int64_t bytes_of(const RetrievalAnswer& answer) {
  std::int64_t bytes = std::int64_t{sizeof(RetrievalAnswer)} + std::ssize(answer.generation);
  for (const auto& row : answer.rows) {
    bytes += std::int64_t{sizeof row};
    for (const Document& document : row) {
      bytes += std::int64_t{sizeof document} + std::ssize(document.source_id) +
               std::ssize(document.title) + std::ssize(document.text) +
               std::ssize(document.vector) * std::int64_t{sizeof(float)};
    }
  }
  return bytes;
}

}  // namespace

struct ResultCache::Counters {
  explicit Counters(prometheus::Registry& registry)
      : hits(prometheus::BuildCounter()
                 .Name("rookery_client_cache_hits_total")
                 .Help("Calls that were answered without a message")
                 .Register(registry)
                 .Add({})),
        misses(prometheus::BuildCounter()
                   .Name("rookery_client_cache_misses_total")
                   .Help("Calls that were not in the cache")
                   .Register(registry)
                   .Add({})),
        held(prometheus::BuildGauge()
                 .Name("rookery_client_cache_bytes")
                 .Help("Requests and answers in the cache")
                 .Register(registry)
                 .Add({})) {}
  prometheus::Counter &hits, &misses;
  prometheus::Gauge& held;
};

ResultCache::ResultCache(std::int64_t bytes_max, base::Metrics* metrics) : bytes_max_(bytes_max) {
  if (enabled() && metrics != nullptr) counters_ = std::make_unique<Counters>(metrics->registry());
}
ResultCache::~ResultCache() = default;

std::optional<RetrievalAnswer> ResultCache::find(const std::string& generation,
                                                 std::string_view request) {
  if (!enabled()) return std::nullopt;
  const std::lock_guard lock(mutex_);
  if (generation != generation_) {
    places_.clear();
    entries_.clear();
    bytes_ = 0;
    generation_ = generation;
  }
  const auto found = places_.find(request);
  if (counters_) (found == places_.end() ? counters_->misses : counters_->hits).Increment();
  if (found == places_.end()) return std::nullopt;
  entries_.splice(entries_.begin(), entries_, found->second);
  RetrievalAnswer answer = entries_.front().answer;
  answer.cached = true;
  answer.attempts = answer.hedges = 0;
  return answer;
}

void ResultCache::put(std::string request, const RetrievalAnswer& answer) {
  if (!enabled() || answer.shards_answered != answer.shards_wanted) return;
  const std::int64_t bytes = std::ssize(request) + bytes_of(answer);
  const std::lock_guard lock(mutex_);
  if (answer.generation != generation_ || bytes > bytes_max_ || places_.contains(request)) return;
  entries_.push_front({std::move(request), answer, bytes});
  places_.emplace(entries_.front().request, entries_.begin());
  bytes_ += bytes;
  while (bytes_ > bytes_max_) drop_last();
  if (counters_) counters_->held.Set(static_cast<double>(bytes_));
}

void ResultCache::drop_last() {
  bytes_ -= entries_.back().bytes;
  places_.erase(entries_.back().request);
  entries_.pop_back();
}

std::int64_t ResultCache::bytes() const {
  const std::lock_guard lock(mutex_);
  return bytes_;
}

}  // namespace rookery::retriever_pool
