#pragma once

#include <chrono>
#include <functional>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "index_tools/snapshot.hpp"
#include "retriever_pool/admission_queue.hpp"
#include "retriever_pool/query_sample.hpp"
#include "retriever_pool/query_server.hpp"
#include "retriever_pool/shard_indexes.hpp"
#include "retriever_pool/wire_bodies.hpp"

namespace rookery::retriever_pool {

/// What this replica serves; requests for anything else are refused.
struct ServiceIdentity {
  std::string index_name;  ///< empty: any name is taken
  std::string generation;
};

/// A message to one client.
struct ServiceReply {
  std::string client, header, body;
  std::optional<wire::ErrorCode> error;  ///< of an error message
  bool query = false;                    ///< it answers a query
  Priority priority = Priority::kVerification;
};

/// What one scan took.
struct ServiceScan {
  std::string kind;  ///< of the index, "look_up" for ids
  std::size_t cost_class = 0;
  std::int64_t requests = 0;
  std::int64_t queries = 0;
  std::int64_t repeated = 0;  ///< of them, those that were searched once for several
  std::chrono::steady_clock::time_point begin;
  std::chrono::microseconds took{0};
  std::vector<std::chrono::microseconds> waits;  ///< of its requests, from arrival to `begin`
};

/// Turns batches of checked requests into messages; knows nothing of sockets. `serve` is called by
/// one thread, everything else by any.
class ShardService {
 public:
  /// `metric` as in the manifest.
  ShardService(std::shared_ptr<const ShardIndexes> indexes, const std::string& metric,
               ServiceIdentity identity);

  /// Throws `WireError` (kWrongGeneration) when index or generation are not ours.
  void check_target(const wire::Header& header) const;
  /// Throws `WireError` (kInvalid) for what `check_request` refuses. Returns the request's
  /// `cost_class`.
  [[nodiscard]] std::uint8_t check_query(const wire::QueryBody& query) const;
  /// Queries of one kind, filter and tuning go in one scan with the largest k (approximate kinds
  /// only with those of the same k, which their candidates depend on), equal ones are searched
  /// once; pings get `load`. Calls `reply` once for every request, as soon as its scan is done:
  /// pings and look-ups first, then scans by their highest priority.
  [[nodiscard]] std::vector<ServiceScan> serve(
      std::span<const PendingRequest> requests, const QueryServerLoad& load,
      const std::function<void(ServiceReply)>& reply) const;
  /// Searches for a row of its own, and forgets the answer: the first query of a fresh process
  /// waits for caches and threads, and no client shall.
  void rehearse() const;
  /// Queries that were answered lately, as the answer to a request for `count` of them.
  [[nodiscard]] ServiceReply sample_reply(const PendingRequest& request, std::uint32_t count,
                                          const QuerySample& sample) const;
  [[nodiscard]] ServiceReply error_reply(const PendingRequest& request,
                                         const Refusal& refusal) const;

 private:
  struct Scan;  // requests that are searched together
  [[nodiscard]] std::vector<Scan> plan(std::span<const PendingRequest> requests) const;
  void run(std::span<const PendingRequest> requests, Scan& scan) const;
  void search(std::span<const PendingRequest> requests, Scan& scan) const;
  [[nodiscard]] ServiceReply message(const PendingRequest& request, wire::Type type,
                                     std::string body, wire::Dtype dtype) const;
  [[nodiscard]] ServiceReply answer(const PendingRequest& request, const Scan& scan,
                                    std::size_t first) const;

  std::shared_ptr<const ShardIndexes> indexes_;
  IndexDescription index_;  // what requests are checked against
  ServiceIdentity identity_;
};

}  // namespace rookery::retriever_pool
