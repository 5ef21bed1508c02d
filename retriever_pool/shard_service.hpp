#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "index_tools/snapshot.hpp"
#include "retriever_pool/admission_queue.hpp"
#include "retriever_pool/query_server.hpp"
#include "retriever_pool/shard_index.hpp"
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
};

struct ServiceResult {
  std::vector<ServiceReply> replies;  ///< one a request, in their order
  std::int64_t queries = 0;           ///< scanned together
};

/// Turns batches of checked requests into messages; knows nothing of sockets. `serve` is called by
/// one thread, everything else by any.
class ShardService {
 public:
  ShardService(std::shared_ptr<const index_tools::SnapshotShard> shard,
               std::shared_ptr<const ShardIndex> index, ServiceIdentity identity);

  /// Throws `WireError` (kWrongGeneration) when index or generation are not ours.
  void check_target(const wire::Header& header) const;
  /// Throws `WireError` (kInvalid) for what `check_queries` refuses.
  void check_query(const wire::QueryBody& query) const;
  /// All queries in one scan with the largest k; pings get `load`.
  [[nodiscard]] ServiceResult serve(std::span<const PendingRequest> requests,
                                    const QueryServerLoad& load) const;
  [[nodiscard]] ServiceReply error_reply(const PendingRequest& request,
                                         const Refusal& refusal) const;

 private:
  [[nodiscard]] ServiceReply message(const PendingRequest& request, wire::Type type,
                                     std::string body) const;
  [[nodiscard]] ServiceReply answer(const PendingRequest& request,
                                    std::span<const std::vector<Hit>> rows,
                                    std::chrono::microseconds search_time,
                                    std::chrono::steady_clock::time_point begin) const;

  std::shared_ptr<const index_tools::SnapshotShard> shard_;
  std::shared_ptr<const ShardIndex> index_;
  ServiceIdentity identity_;
};

}  // namespace rookery::retriever_pool
