#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>
#include <zmq.hpp>

#include "retriever_pool/retriever.hpp"
#include "retriever_pool/wire_bodies.hpp"

namespace rookery::retriever_pool::detail {

/// One call of `retrieve` on its way through the client's thread. The first part is written by the
/// caller before it is handed over, the second by the client's thread under `mutex`.
struct PoolCall {
  std::uint64_t serial = 0;
  std::chrono::steady_clock::time_point begin, deadline;
  zmq::message_t body;  ///< encoded query, the same for every shard and attempt
  std::uint32_t batch = 0, k = 0;
  wire::AnswerShape shape;
  std::string pinned;  ///< the generation that alone may answer; empty: the live one
  Priority priority = Priority::kVerification;
  std::uint64_t trace = 0;
  std::uint32_t work_class = 0;  ///< see ShardPace

  std::mutex mutex;
  std::condition_variable finished;
  bool done = false;
  std::optional<RetrievalError> error;
  std::vector<wire::AnswerBody> answers;  ///< by shard
  std::string generation;
  std::int32_t attempts = 0, hedges = 0;
};

}  // namespace rookery::retriever_pool::detail
