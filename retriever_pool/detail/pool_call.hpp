#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>
#include <zmq.hpp>

#include "retriever_pool/retriever.hpp"
#include "retriever_pool/wire_bodies.hpp"

namespace rookery::retriever_pool::detail {

/// One call of `retrieve`. The first part is written by the caller before it is handed over, the
/// second by the loop, under its mutex.
struct PoolCall {
  std::chrono::steady_clock::time_point begin, deadline;
  zmq::message_t body;  ///< encoded query, the same for every shard and attempt
  std::uint32_t batch = 0, k = 0;
  wire::AnswerShape shape;
  std::string pinned;  ///< the generation that alone may answer; empty: the live one
  Priority priority = Priority::kVerification;
  std::uint64_t trace = 0;
  std::uint32_t work_class = 0;  ///< see ShardPace

  std::uint64_t serial = 0;
  std::condition_variable changed;  ///< done, or it is this caller's turn to drive
  bool done = false;
  std::optional<RetrievalError> error;
  std::vector<wire::AnswerBody> answers;  ///< by shard
  std::string generation;
  std::int32_t attempts = 0, hedges = 0;
};

}  // namespace rookery::retriever_pool::detail
