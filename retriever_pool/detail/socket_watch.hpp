#pragma once

#include <poll.h>

#include <chrono>
#include <vector>

#include "retriever_pool/detail/link.hpp"
#include "retriever_pool/request_plan.hpp"

namespace rookery::retriever_pool::detail {

/// One wait for the descriptors of a client's links. It touches no socket while it waits, so that
/// other threads may use them; a link that is closed meanwhile ends the wait early at most.
class SocketWatch {
 public:
  using Replica = RequestPlan::Replica;
  explicit SocketWatch(int bell) : entries_{{bell, POLLIN, 0}} {}

  void add(const Link& head);
  void add(const Link& link, Replica number);
  /// Until something is readable, or `until`. Returns whether the bell was rung.
  bool wait(std::chrono::steady_clock::time_point until);
  [[nodiscard]] bool head_ready() const { return head_at_ != 0 && readable(head_at_); }
  [[nodiscard]] std::vector<Replica> ready() const;

 private:
  void add_descriptors(const Link& link);
  [[nodiscard]] bool readable(std::size_t at) const {
    return entries_[at].revents != 0 || entries_[at + 1].revents != 0;
  }

  std::vector<pollfd> entries_;  // the bell, then two a link
  std::size_t head_at_ = 0;
  struct Place {
    Replica number;
    std::size_t at;
  };
  std::vector<Place> replicas_;
};

}  // namespace rookery::retriever_pool::detail
