#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "retriever_pool/curve_keys.hpp"
#include "retriever_pool/lease_desk.hpp"
#include "retriever_pool/routing_view.hpp"

namespace rookery::base {
class Metrics;
}

namespace rookery::retriever_pool {

/// Hands the routing view to clients over a ROUTER socket: the head's side of `open_pool_client`. A
/// client asks with the (term, epoch) it knows; a newer view is sent at once, else the request
/// waits up to its remaining time for the next change. Leases on the generations of the view are
/// given here too. Any thread may publish.
class ViewServer {
 public:
  /// Throws `UserError` when the endpoint cannot be bound, naming it. `metrics` (of refused peers)
  /// outlives the server.
  explicit ViewServer(const std::string& bind, const CurveServerKeys& keys = {},
                      const LeaseLimits& leases = {}, base::Metrics* metrics = nullptr);
  ~ViewServer();
  [[nodiscard]] std::string endpoint() const;
  void publish(const RoutingView& view);
  /// The leases that clients hold; lives as long as the server.
  [[nodiscard]] const LeaseDesk& leases() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Asks a head for its view once. Throws `UserError` when none comes in time, naming the endpoint
/// and, where it is known, why: a key that the head does not take, keys on one side only.
RoutingView fetch_view(const std::string& head, std::chrono::milliseconds timeout,
                       const CurveClientKeys& keys = {});

}  // namespace rookery::retriever_pool
