#include "retriever_pool/detail/node_probe.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "retriever_pool/detail/byte_order.hpp"
#include "retriever_pool/detail/random_id.hpp"
#include "retriever_pool/detail/sockets.hpp"

namespace rookery::retriever_pool::detail {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

}  // namespace

NodeProbe::NodeProbe(zmq::context_t& context, std::string name, const std::string& endpoint,
                     std::string index, std::string generation, milliseconds timeout,
                     const CurveClientKeys& keys)
    : name_(std::move(name)),
      index_(std::move(index)),
      generation_(std::move(generation)),
      timeout_(timeout),
      link_(context, endpoint, keys),
      client_(random_id()) {}

void NodeProbe::fail(RetrievalFault fault, const std::string& what) const {
  throw RetrievalError(fault, name_ + " (generation " + generation_ + "): " + what);
}

wire::AnswerBody NodeProbe::ask(const std::string& query, std::uint32_t batch, std::uint32_t k,
                                const wire::AnswerShape& shape) {
  const auto body = exchange(wire::Type::kQuery, wire::Type::kAnswer, query);
  try {
    return wire::decode_answer(bytes_of(body), batch, k, shape);
  } catch (const wire::WireError& error) {
    fail(RetrievalFault::kInternal, error.what());
  }
}

std::optional<wire::QueryBody> NodeProbe::sample(std::uint32_t count) {
  wire::detail::Writer writer(sizeof count);
  writer.put(count);
  const auto body = exchange(wire::Type::kSampleRequest, wire::Type::kSampleAnswer, writer.take());
  if (body.empty()) return std::nullopt;
  try {
    return wire::decode_query(bytes_of(body));
  } catch (const wire::WireError& error) {
    fail(RetrievalFault::kInternal, error.what());
  }
}

zmq::message_t NodeProbe::exchange(wire::Type type, wire::Type expected, const std::string& body) {
  const auto until = Clock::now() + timeout_;
  wire::Header header;
  header.type = type;
  header.request = {client_, ++serial_};
  header.attempt = 1;
  header.priority = static_cast<std::uint8_t>(Priority::kPrefetch);  // live queries go first
  header.remaining_us = static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::microseconds>(timeout_).count());
  header.index = index_;
  header.generation = generation_;
  bool sent = false;
  while (true) {
    while (const auto change = link_.next_change()) {
      connected_ = *change == Link::Change::kConnected;
      if (!connected_ && sent) fail(RetrievalFault::kUnavailable, "the connection broke");
    }
    if (connected_ && !sent) sent = link_.send(wire::encode_header(header, bytes_of(body)), body);
    auto frames = link_.receive();
    if (!frames.empty()) {
      try {
        if (frames.size() != 2) fail(RetrievalFault::kInternal, "expected two frames");
        const wire::Header answer = wire::decode_header(bytes_of(frames[0]));
        if (answer.request != header.request) continue;  // of a question that was given up
        wire::check_body(answer, bytes_of(frames[1]));
        if (answer.type == wire::Type::kError) {
          const auto error = wire::decode_error(bytes_of(frames[1]));
          fail(error.code == wire::ErrorCode::kInvalid ? RetrievalFault::kInvalid
                                                       : RetrievalFault::kUnavailable,
               error.text);
        }
        if (answer.type != expected || answer.generation != generation_) {
          fail(RetrievalFault::kInternal, "it answers for generation '" + answer.generation + "'");
        }
        return std::move(frames[1]);
      } catch (const wire::WireError& error) {
        fail(RetrievalFault::kInternal, error.what());
      }
    }
    const auto left = std::chrono::ceil<milliseconds>(until - Clock::now());
    if (left.count() <= 0) {
      fail(RetrievalFault::kDeadline,
           "no answer within " + std::to_string(timeout_.count()) + " ms");
    }
    std::vector<zmq::pollitem_t> items = {{link_.socket().handle(), 0, ZMQ_POLLIN, 0},
                                          {link_.monitor().handle(), 0, ZMQ_POLLIN, 0}};
    zmq::poll(items, std::min(left, milliseconds{1000}));
  }
}

}  // namespace rookery::retriever_pool::detail
