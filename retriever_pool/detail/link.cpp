#include "retriever_pool/detail/link.hpp"

#include <zmq.h>

#include <atomic>
#include <cstdint>
#include <cstring>

#include "retriever_pool/detail/sockets.hpp"
#include "retriever_pool/wire.hpp"

namespace rookery::retriever_pool::detail {
namespace {

constexpr auto kAgain = std::chrono::seconds(2);
constexpr int kEvents = ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_DISCONNECTED |
                        ZMQ_EVENT_CONNECT_DELAYED | ZMQ_EVENT_CONNECT_RETRIED |
                        ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL |
                        ZMQ_EVENT_HANDSHAKE_FAILED_AUTH;

std::string monitor_name() {
  static std::atomic<std::uint64_t> next{0};  // names are per context; unique ones suit all
  return "inproc://rookery-monitor-" + std::to_string(next.fetch_add(1));
}

}  // namespace

Link::Link(zmq::context_t& context, const std::string& endpoint, const CurveClientKeys& keys)
    : endpoint_(endpoint),
      keys_(!keys.empty()),
      socket_(context, zmq::socket_type::dealer),
      monitor_(context, zmq::socket_type::pair) {
  configure(socket_, {0, 64, wire::kAnswerBytesMax + 4096});
  socket_.set(zmq::sockopt::immediate, true);
  // A server that takes connections and drops them again is connected to about 5 times a second.
  socket_.set(zmq::sockopt::reconnect_ivl, 200);
  socket_.set(zmq::sockopt::reconnect_ivl_max, 2000);
  // A damaged stream can leave either side waiting for the rest of a frame that never comes: what
  // answers no heartbeat is connected to afresh.
  socket_.set(zmq::sockopt::heartbeat_ivl, 500);
  socket_.set(zmq::sockopt::heartbeat_timeout, 1500);
  socket_.set(zmq::sockopt::handshake_ivl, 3000);
  const std::string name = monitor_name();
  if (zmq_socket_monitor(socket_.handle(), name.c_str(), kEvents) != 0) throw zmq::error_t();
  use_keys(socket_, keys);
  monitor_.set(zmq::sockopt::linger, 0);
  monitor_.connect(name);
  socket_.connect(endpoint);
  descriptors_ = {socket_.get(zmq::sockopt::fd), monitor_.get(zmq::sockopt::fd)};
}

Link::~Link() { zmq_socket_monitor(socket_.handle(), nullptr, 0); }

std::chrono::steady_clock::time_point Link::next_step() const {
  return again_.value_or(std::chrono::steady_clock::time_point::max());
}

bool Link::send(const std::string& header, zmq::message_t& body) {
  unread_ = true;
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

std::vector<zmq::message_t> Link::receive() {
  auto frames = receive_waiting(socket_, 2);
  unread_ = !frames.empty();
  return frames;
}

std::optional<Link::Change> Link::next_change() {
  while (true) {
    const auto frames = receive_waiting(monitor_, 2);
    if (frames.empty()) {
      connect_again();
      return std::nullopt;
    }
    std::uint16_t event = 0;
    std::uint32_t value = 0;
    if (frames[0].size() < sizeof event + sizeof value) continue;
    std::memcpy(&event, frames[0].data(), sizeof event);
    std::memcpy(&value, frames[0].data<std::byte>() + sizeof event, sizeof value);
    if (event == ZMQ_EVENT_HANDSHAKE_SUCCEEDED) {
      trouble_.clear();
      again_.reset();
      return Change::kConnected;
    }
    if (event == ZMQ_EVENT_CONNECT_DELAYED || event == ZMQ_EVENT_CONNECT_RETRIED) {
      again_.reset();  // the library goes on by itself
      continue;
    }
    if (!again_) again_ = std::chrono::steady_clock::now() + kAgain;
    if (event == ZMQ_EVENT_DISCONNECTED) return Change::kDisconnected;
    take_failure(event, value);
  }
}

void Link::take_failure(std::uint16_t event, std::uint32_t value) {
  if (event == ZMQ_EVENT_HANDSHAKE_FAILED_AUTH) {
    trouble_ = "it refused our key; have it added with: rookery keys client DIR NAME";
  } else if (event == ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL &&
             value == ZMQ_PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH) {
    trouble_ = keys_ ? "we use keys and it does not; leave --keys and ROOKERY_KEYS away"
                     : "it wants keys and we have none; give --keys FILE or set ROOKERY_KEYS";
  } else if (event == ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL) {
    trouble_ = keys_ ? "what listens there speaks another protocol, or has another colony's keys"
                     : "what listens there speaks another protocol";
  } else if (trouble_.empty()) {
    trouble_ = keys_ ? "it closed the connection in the handshake: its keys are not those that we "
                       "were given"
                     : "it closed the connection in the handshake; if it wants keys, give --keys "
                       "FILE or set ROOKERY_KEYS";
  }
}

void Link::connect_again() {
  if (!again_ || std::chrono::steady_clock::now() < *again_) return;
  again_.reset();
  unread_ = true;
  try {
    socket_.disconnect(endpoint_);
  } catch (const zmq::error_t&) {  // it had given up already
  }
  try {
    socket_.connect(endpoint_);
  } catch (const zmq::error_t& error) {
    trouble_ = error.what();
    again_ = std::chrono::steady_clock::now() + kAgain;
  }
}

void use_keys(zmq::socket_t& socket, const CurveClientKeys& keys) {
  if (keys.empty()) return;
  socket.set(zmq::sockopt::curve_serverkey, keys.server_public);
  socket.set(zmq::sockopt::curve_publickey, keys.public_key);
  socket.set(zmq::sockopt::curve_secretkey, keys.secret_key);
}

std::string no_view_text(const std::string& head, std::chrono::milliseconds timeout,
                         const std::string& trouble) {
  const std::string late = head + ": expected a head that answers within " +
                           std::to_string(timeout.count()) + " ms, got ";
  return late + (trouble.empty() ? "no routing view; is the colony up? see rookery status"
                                 : "no connection: " + trouble);
}

}  // namespace rookery::retriever_pool::detail
