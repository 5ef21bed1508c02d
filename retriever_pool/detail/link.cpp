#include "retriever_pool/detail/link.hpp"

#include <zmq.h>

#include <atomic>
#include <cstdint>
#include <cstring>

#include "retriever_pool/detail/sockets.hpp"
#include "retriever_pool/wire.hpp"

namespace rookery::retriever_pool::detail {
namespace {

std::string monitor_name() {
  static std::atomic<std::uint64_t> next{0};  // names are per context; unique ones suit all
  return "inproc://rookery-monitor-" + std::to_string(next.fetch_add(1));
}

}  // namespace

Link::Link(zmq::context_t& context, const std::string& endpoint)
    : endpoint_(endpoint),
      socket_(context, zmq::socket_type::dealer),
      monitor_(context, zmq::socket_type::pair) {
  configure(socket_, {0, 64, wire::kAnswerBytesMax + 4096});
  socket_.set(zmq::sockopt::immediate, true);
  socket_.set(zmq::sockopt::reconnect_ivl, 20);
  socket_.set(zmq::sockopt::reconnect_ivl_max, 1000);
  const std::string name = monitor_name();
  if (zmq_socket_monitor(socket_.handle(), name.c_str(),
                         ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_DISCONNECTED) != 0) {
    throw zmq::error_t();
  }
  monitor_.set(zmq::sockopt::linger, 0);
  monitor_.connect(name);
  socket_.connect(endpoint);
}

Link::~Link() { zmq_socket_monitor(socket_.handle(), nullptr, 0); }

bool Link::send(const std::string& header, zmq::message_t& body) {
  if (!socket_.send(zmq::buffer(header), zmq::send_flags::sndmore | zmq::send_flags::dontwait)) {
    return false;
  }
  // Only the first frame can be refused; the connection may still break, which the monitor tells.
  zmq::message_t copy;
  copy.copy(body);
  return socket_.send(copy, zmq::send_flags::dontwait).has_value();
}

bool Link::send(const std::string& header, const std::string& body) {
  zmq::message_t message(body.data(), body.size());
  return send(header, message);
}

std::vector<zmq::message_t> Link::receive() { return receive_waiting(socket_, 2); }

std::optional<Link::Change> Link::next_change() {
  while (true) {
    const auto frames = receive_waiting(monitor_, 2);
    if (frames.empty()) return std::nullopt;
    std::uint16_t event = 0;
    if (frames[0].size() < sizeof event) continue;
    std::memcpy(&event, frames[0].data(), sizeof event);
    if (event == ZMQ_EVENT_HANDSHAKE_SUCCEEDED) return Change::kConnected;
    if (event == ZMQ_EVENT_DISCONNECTED) return Change::kDisconnected;
  }
}

}  // namespace rookery::retriever_pool::detail
