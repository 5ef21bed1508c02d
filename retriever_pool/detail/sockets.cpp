#include "retriever_pool/detail/sockets.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <system_error>

#include "base/error.hpp"

namespace rookery::retriever_pool::detail {

Doorbell::Doorbell() : descriptor_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  if (descriptor_ < 0) throw std::system_error(errno, std::generic_category(), "eventfd");
}

Doorbell::~Doorbell() { ::close(descriptor_); }

void Doorbell::ring() const {
  const std::uint64_t one = 1;
  // A full counter is as good as a ring: it is readable.
  [[maybe_unused]] const auto written = ::write(descriptor_, &one, sizeof one);
}

void Doorbell::clear() const {
  std::uint64_t rings = 0;
  [[maybe_unused]] const auto taken = ::read(descriptor_, &rings, sizeof rings);
}

void configure(zmq::socket_t& socket, const SocketLimits& limits) {
  socket.set(zmq::sockopt::linger, limits.linger_ms);
  socket.set(zmq::sockopt::sndhwm, limits.messages_max);
  socket.set(zmq::sockopt::rcvhwm, limits.messages_max);
  socket.set(zmq::sockopt::maxmsgsize, limits.message_bytes_max);
  socket.set(zmq::sockopt::handshake_ivl, 3000);
  socket.set(zmq::sockopt::heartbeat_ivl, 250);
  socket.set(zmq::sockopt::heartbeat_timeout, 1000);
  socket.set(zmq::sockopt::heartbeat_ttl, 1000);
}

std::string bind_or_explain(zmq::socket_t& socket, const std::string& endpoint) {
  try {
    socket.bind(endpoint);
  } catch (const zmq::error_t& error) {
    throw base::UserError(endpoint + ": expected an endpoint that can be bound, such as " +
                          "tcp://127.0.0.1:*, got: " + error.what());
  }
  return socket.get(zmq::sockopt::last_endpoint);
}

std::vector<zmq::message_t> receive_waiting(zmq::socket_t& socket, std::size_t frames_max) {
  std::vector<zmq::message_t> frames;
  while (true) {
    zmq::message_t frame;
    if (!socket.recv(frame, zmq::recv_flags::dontwait)) return {};
    const bool more = frame.more();
    if (frames.size() <= frames_max) frames.push_back(std::move(frame));
    if (!more) return frames;
  }
}

}  // namespace rookery::retriever_pool::detail
