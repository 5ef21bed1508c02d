#pragma once

#include <algorithm>
#include <chrono>
#include <optional>
#include <string>

#include "retriever_pool/detail/link.hpp"
#include "retriever_pool/routing_view.hpp"

namespace rookery::retriever_pool::detail {

/// Asks the head for routing views by long polling, and again whenever the connection comes back.
/// One thread at a time, which polls the link's descriptors and calls `step` when they are
/// readable, when the link is `unread` and at `next_step`.
class HeadLink {
 public:
  using Time = std::chrono::steady_clock::time_point;
  HeadLink(zmq::context_t& context, const std::string& head, const CurveClientKeys& keys = {})
      : link_(context, head, keys) {}

  [[nodiscard]] Link& link() { return link_; }
  [[nodiscard]] const std::string& trouble() const { return link_.trouble(); }
  /// Reads what came and asks again where needed; a view newer than the last one, if any.
  std::optional<RoutingView> step(Time now);
  /// When `step` wants to be called at the latest.
  [[nodiscard]] Time next_step() const { return std::min(next_, link_.next_step()); }

 private:
  void receive(Time now, std::optional<RoutingView>& news);
  void ask(Time now);

  Link link_;
  bool connected_ = false, asked_ = false;
  Time next_{};
  std::uint64_t serial_ = 0, term_ = 0, epoch_ = 0;
};

}  // namespace rookery::retriever_pool::detail
