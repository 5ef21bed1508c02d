#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "retriever_pool/wire_bodies.hpp"

namespace rookery::retriever_pool {

/// A request that waits for a search thread.
struct PendingRequest {
  std::string client;    ///< ZeroMQ routing id
  wire::Header header;   ///< type kQuery or kPing
  wire::QueryBody body;  ///< of a query
  std::chrono::steady_clock::time_point arrived, deadline;
  [[nodiscard]] std::int64_t bytes() const;
};

struct AdmissionLimits {
  std::int32_t requests_max = 256;
  std::int64_t bytes_max = 64 << 20;
  std::int32_t batch_queries_max = 128;
};

struct Refusal {
  wire::ErrorCode code = wire::ErrorCode::kOverloaded;
  std::string text;
  std::chrono::milliseconds retry_after{0};
};

/// The bounded queue in front of the search threads (law 3): full means refused at once, with a
/// time to retry. Pure: the caller locks and tells the time.
class AdmissionQueue {
 public:
  using Time = std::chrono::steady_clock::time_point;

  explicit AdmissionQueue(AdmissionLimits limits) : limits_(limits) {}

  /// Takes the request, or says why not: full by count or bytes, deadline passed, or a wait that is
  /// expected to outlast the deadline.
  std::optional<Refusal> admit(PendingRequest request, Time now);

  struct Batch {
    std::vector<PendingRequest> requests;  ///< in order of arrival, together one scan
    std::vector<PendingRequest> expired;   ///< their deadline passed while they waited
  };
  /// What is searched next: requests from the front as long as their queries fit one batch.
  Batch take_batch(Time now);
  /// Forgets a waiting query of this client; false when it is not here.
  bool cancel(const std::string& client, const wire::RequestId& request);
  /// How long the last batch took; feeds the expected wait.
  void record(std::chrono::microseconds took);

  [[nodiscard]] bool empty() const { return waiting_.empty(); }
  [[nodiscard]] std::int64_t size() const { return std::ssize(waiting_); }
  /// Of a request that came now.
  [[nodiscard]] std::chrono::microseconds expected_wait() const;

 private:
  AdmissionLimits limits_;
  std::deque<PendingRequest> waiting_;
  std::int64_t bytes_ = 0, queries_ = 0;
  double batch_us_ = 0;  // moving average
};

}  // namespace rookery::retriever_pool
