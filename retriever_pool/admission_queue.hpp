#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "retriever_pool/batch_window.hpp"
#include "retriever_pool/search_cost.hpp"
#include "retriever_pool/wire_bodies.hpp"

namespace rookery::retriever_pool {

/// The class that a number in a header means: one that is not known counts as the last.
Priority priority_of(std::uint8_t number);
std::string to_string(Priority priority);  ///< "verification", "training", "prefetch"

/// Sorts of search whose costs have nothing to do with each other: 0 for look-ups, else the number
/// of the index kind.
inline constexpr std::size_t kCostClasses = 8;

/// A request that waits for a search thread.
struct PendingRequest {
  std::string client;    ///< ZeroMQ routing id
  wire::Header header;   ///< type kQuery or kPing
  wire::QueryBody body;  ///< of a query
  std::chrono::steady_clock::time_point arrived, deadline;
  std::uint8_t cost_class = 0;  ///< in [0, kCostClasses)
  [[nodiscard]] std::int64_t bytes() const;
  [[nodiscard]] std::int64_t queries() const { return body.batch; }
  [[nodiscard]] Priority priority() const { return priority_of(header.priority); }
};

struct AdmissionLimits {
  std::int32_t requests_max = 256;
  std::int64_t bytes_max = 64 << 20;
  std::int32_t batch_queries_max = 128;
  /// Share of requests and bytes that each priority may fill; budgets of their own, so that none
  /// takes another's place.
  std::array<double, kPriorities> shares = {1.0, 1.0, 1.0};
  std::chrono::microseconds window{0};  ///< see `BatchWindow`
};

struct Refusal {
  wire::ErrorCode code = wire::ErrorCode::kOverloaded;
  std::string text;
  std::chrono::milliseconds retry_after{0};
};

/// The bounded queue in front of the search threads (law 3): full means refused at once, with a
/// time to retry. A higher priority is searched first; lower ones may at most double its scans, but
/// each that waits gets an eighth of what is searched at least. Pure: the caller locks and tells
/// the time.
class AdmissionQueue {
 public:
  using Time = std::chrono::steady_clock::time_point;

  explicit AdmissionQueue(AdmissionLimits limits)
      : limits_(std::move(limits)), window_(limits_.window) {}

  /// Takes the request, or leaves it whole and says why: full by count or bytes of its priority,
  /// deadline passed, or an answer that is expected to come after the deadline. Where one that
  /// waits must go instead (see `lot`), it is among the `take_displaced`.
  std::optional<Refusal> admit(PendingRequest&& request, Time now);
  /// Requests that had to make room since the last call, and what their clients are told.
  std::vector<std::pair<PendingRequest, Refusal>> take_displaced() {
    return std::exchange(displaced_, {});
  }
  /// Under overload the smaller lots go. It is drawn from the number of the call, which is the same
  /// for all shards, so that all serve the same calls: a scan for a call that another shard refuses
  /// is lost. Source: Zhou et al., "Overload Control for Scaling WeChat Microservices" (2018).
  [[nodiscard]] static std::uint64_t lot(const wire::RequestId& request);

  struct Batch {
    std::vector<PendingRequest> requests;  ///< by priority, then arrival; searched together
    std::vector<PendingRequest> expired;   ///< their deadline passed while they waited
  };
  /// When the next batch should be taken, which may be in the past; nothing while none waits. It
  /// changes with every admitted request.
  [[nodiscard]] std::optional<Time> next_batch_at(Time now) const;
  /// What is searched next, as many queries as fit one batch. It is running from then on.
  Batch take_batch(Time now);
  /// The batch that was taken is done.
  void finished(Time now);
  /// How long one scan of the batch took; feeds the expected costs.
  void record(std::size_t cost_class, std::int64_t queries, std::chrono::microseconds took);
  /// Forgets a waiting query of this client; false when it is not here.
  bool cancel(const std::string& client, const wire::RequestId& request);

  [[nodiscard]] bool empty() const { return size() == 0; }
  [[nodiscard]] std::int64_t size() const;
  /// Until the search of a request that came now would begin.
  [[nodiscard]] std::chrono::microseconds expected_wait(
      Time now, Priority priority = Priority::kVerification) const;
  /// What the queries that wait now will take in one batch; nothing when that is not known.
  [[nodiscard]] std::optional<std::chrono::microseconds> expected_search() const;

 private:
  using ByCost = std::array<std::int64_t, kCostClasses>;  // queries
  struct Class {
    std::deque<PendingRequest> waiting;
    std::int64_t bytes = 0, queries = 0;
    ByCost by_cost{};
    std::int64_t credit = 0;  // queries that it may search first, having been passed over
  };
  [[nodiscard]] Class& class_of(Priority priority) {
    return classes_[static_cast<std::size_t>(priority)];
  }
  void add(PendingRequest request);
  [[nodiscard]] std::optional<std::string> obstacle(const PendingRequest& request, Time now) const;
  bool make_room(const PendingRequest& request, Time now);
  [[nodiscard]] Refusal overloaded(std::string why, Priority priority, Time now) const;
  static PendingRequest take_front(Class& from);
  static void count(Class& to, const PendingRequest& request);
  static void forget(Class& from, const PendingRequest& request);
  static std::int64_t fill(Class& from, std::int64_t room, std::int64_t& taken, Time now,
                           Batch& batch);
  [[nodiscard]] ByCost ahead(Priority priority, std::int64_t own) const;
  [[nodiscard]] std::chrono::microseconds cost(const ByCost& queries) const;
  [[nodiscard]] std::chrono::microseconds running_left(Time now) const;
  [[nodiscard]] std::chrono::microseconds wait_of(Time now, Priority priority, std::int64_t own,
                                                  std::size_t cost_class) const;

  AdmissionLimits limits_;
  BatchWindow window_;
  std::array<Class, kPriorities> classes_;
  std::array<SearchCost, kCostClasses> costs_;
  std::optional<Time> running_since_;
  std::chrono::microseconds running_cost_{0};
  Time free_since_{};
  std::vector<std::pair<PendingRequest, Refusal>> displaced_;
};

}  // namespace rookery::retriever_pool
