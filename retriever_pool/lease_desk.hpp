#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "retriever_pool/lease_table.hpp"
#include "retriever_pool/routing_view.hpp"
#include "retriever_pool/wire_lease.hpp"

namespace rookery::retriever_pool {

/// The head's leases: clients' messages on one side, what may end on the other. Thread-safe.
class LeaseDesk {
 public:
  explicit LeaseDesk(LeaseLimits limits = {});
  /// What is served from now on: live and retired generations may be leased. Before the first call
  /// all are, because clients of the last head renew before this one has its view.
  void serve(const RoutingView& view);
  /// A client's lease message for a generation of an index (empty: the default one). Throws
  /// `WireError` with the reason of a refusal.
  wire::LeaseBody answer(const std::string& index, const std::string& generation,
                         const wire::LeaseBody& request);
  [[nodiscard]] std::int64_t count(const std::string& index, const std::string& generation) const;
  /// See `LeaseTable::in_use`.
  [[nodiscard]] bool in_use(const std::string& index, const std::string& generation) const;

 private:
  mutable std::mutex mutex_;
  LeaseTable table_;
  std::string default_index_;
  std::optional<std::set<std::pair<std::string, std::string>>> served_;  // index, generation
};

}  // namespace rookery::retriever_pool
