#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <zmq.hpp>

#include "retriever_pool/detail/link.hpp"
#include "retriever_pool/retriever.hpp"
#include "retriever_pool/wire_bodies.hpp"

namespace rookery::retriever_pool::detail {

/// One node asked directly, one question after the other, whatever the routing view says of it:
/// how the head looks at a generation that no client asks yet. Use from one thread.
class NodeProbe {
 public:
  /// `name` is how messages call the node. Throws `zmq::error_t` for an endpoint that makes no
  /// sense.
  NodeProbe(zmq::context_t& context, std::string name, const std::string& endpoint,
            std::string index, std::string generation, std::chrono::milliseconds timeout,
            const CurveClientKeys& keys = {});

  /// `query` as `encode_query` writes it. Throws `RetrievalError` that names the node: kDeadline
  /// when it is silent, else what it said.
  wire::AnswerBody ask(const std::string& query, std::uint32_t batch, std::uint32_t k,
                       const wire::AnswerShape& shape);
  /// At most `count` queries that it answered lately; nothing when it has seen none.
  std::optional<wire::QueryBody> sample(std::uint32_t count);

 private:
  zmq::message_t exchange(wire::Type type, wire::Type expected, const std::string& body);
  [[noreturn]] void fail(RetrievalFault fault, const std::string& what) const;
  std::string name_, index_, generation_;
  std::chrono::milliseconds timeout_;
  Link link_;
  bool connected_ = false;
  std::uint64_t client_, serial_ = 0;
};

}  // namespace rookery::retriever_pool::detail
