#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "retriever_pool/routing_core.hpp"

namespace rookery::retriever_pool::testing {

/// Keeps account of a client's messages: each ends once, before its call does, and what a broken
/// connection took is asked for again at once. What breaks that is told to `lie`.
class MessageLedger {
 public:
  using Time = RoutingCore::Time;
  using Lie = std::function<void(const std::string&)>;

  MessageLedger(Lie lie, std::chrono::milliseconds attempt_timeout)
      : lie_(std::move(lie)), attempt_timeout_(attempt_timeout) {}

  void sent(AttemptId id, std::int32_t shard);
  void over(const AttemptReport& report, Time now);
  void call_over(std::uint64_t call);
  /// After each step of the core; `askable` says whether somebody could be asked for a shard.
  void stepped(const std::function<bool(std::int32_t shard)>& askable);

 private:
  using Part = std::pair<std::uint64_t, std::int32_t>;  // call and shard
  [[nodiscard]] bool is_open(const Part& part) const;

  Lie lie_;
  std::chrono::milliseconds attempt_timeout_;
  std::map<AttemptId, std::int32_t> open_;  // shard
  std::set<Part> lost_, failed_;            // lost: in this step
};

}  // namespace rookery::retriever_pool::testing
