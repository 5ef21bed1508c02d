#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace rookery::launch {

/// How one call ended, as the oracle judges it.
enum class CallOutcome {
  kRight,      ///< the oracle's answer for this query in the generation that it names
  kWrong,      ///< any other answer
  kMisplaced,  ///< the right answer of another query: delivered twice, or to somebody else
  kError,      ///< an explicit error
};

/// One call. Times are seconds since the load began.
struct CallRecord {
  std::int64_t call = 0;
  std::int32_t client = 0;
  double due = 0, sent = 0, done = 0;  ///< due by the open loop's plan
  double deadline = 0;                 ///< seconds the call had, from `sent`
  CallOutcome outcome = CallOutcome::kError;
  std::string error;       ///< its first words
  std::string generation;  ///< of the answer
  std::int32_t attempts = 0, hedges = 0;
};

/// What the calls of a stretch of time come to. Latencies are from when a call was due.
struct CallSummary {
  std::int64_t calls = 0, right = 0, wrong = 0, misplaced = 0, errors = 0, late = 0;
  std::int64_t attempts = 0, hedges = 0;
  double p50_ms = 0, p99_ms = 0, max_ms = 0;
  std::map<std::string, std::int64_t> by_generation;  ///< of right answers
  std::map<std::string, std::int64_t> error_words;
};

/// Calls that were due in [`from`, `to`), of one client or (-1) of all. A call is late when it
/// returned more than `slack` seconds behind its deadline.
CallSummary summarise(std::span<const CallRecord> calls, double from, double to,
                      std::int32_t client = -1, double slack = 0.25);

/// The nearest-rank percentile of the same calls' latencies, ms.
double latency_percentile(std::span<const CallRecord> calls, double from, double to, double share,
                          std::int32_t client = -1);

}  // namespace rookery::launch
