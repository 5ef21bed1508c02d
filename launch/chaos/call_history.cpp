#include "launch/chaos/call_history.hpp"

#include <algorithm>

#include "launch/percentile.hpp"

namespace rookery::launch {
namespace {

std::vector<double> latencies(std::span<const CallRecord> calls, double from, double to,
                              std::int32_t client) {
  std::vector<double> ms;
  for (const CallRecord& call : calls) {
    if (call.due < from || call.due >= to || (client >= 0 && call.client != client)) continue;
    ms.push_back((call.done - call.due) * 1000);
  }
  return ms;
}

}  // namespace

CallSummary summarise(std::span<const CallRecord> calls, double from, double to,
                      std::int32_t client, double slack) {
  CallSummary sum;
  for (const CallRecord& call : calls) {
    if (call.due < from || call.due >= to || (client >= 0 && call.client != client)) continue;
    ++sum.calls;
    sum.right += call.outcome == CallOutcome::kRight;
    sum.wrong += call.outcome == CallOutcome::kWrong;
    sum.misplaced += call.outcome == CallOutcome::kMisplaced;
    sum.errors += call.outcome == CallOutcome::kError;
    sum.late += call.done > call.sent + call.deadline + slack;
    sum.attempts += call.attempts;
    sum.hedges += call.hedges;
    if (call.outcome == CallOutcome::kRight) ++sum.by_generation[call.generation];
    if (call.outcome == CallOutcome::kError) ++sum.error_words[call.error];
  }
  const auto ms = latencies(calls, from, to, client);
  sum.p50_ms = percentile(ms, 0.5);
  sum.p99_ms = percentile(ms, 0.99);
  if (!ms.empty()) sum.max_ms = *std::max_element(ms.begin(), ms.end());
  return sum;
}

double latency_percentile(std::span<const CallRecord> calls, double from, double to, double share,
                          std::int32_t client) {
  return percentile(latencies(calls, from, to, client), share);
}

}  // namespace rookery::launch
