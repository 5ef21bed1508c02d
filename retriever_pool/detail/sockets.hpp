#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>
#include <zmq.hpp>

namespace rookery::retriever_pool::detail {

/// Wakes a thread that polls sockets. Any thread may ring.
class Doorbell {
 public:
  Doorbell();
  ~Doorbell();
  Doorbell(const Doorbell&) = delete;
  Doorbell& operator=(const Doorbell&) = delete;
  [[nodiscard]] int descriptor() const { return descriptor_; }
  void ring() const;
  void clear() const;

 private:
  int descriptor_;
};

/// Options that every socket of the data plane has: heartbeats, a limit on message sizes, a short
/// handshake. `linger_ms`: how long unsent messages may hold up the closing.
struct SocketLimits {
  int linger_ms = 0;
  int messages_max = 256;  ///< high-water mark, per peer and direction
  std::int64_t message_bytes_max = 64 << 20;
};
void configure(zmq::socket_t& socket, const SocketLimits& limits);

/// Binds, or throws `UserError` that names the endpoint and the reason. Returns the endpoint with
/// the port that was chosen.
std::string bind_or_explain(zmq::socket_t& socket, const std::string& endpoint);

/// All frames of one message, or nothing when none waits. More than `frames_max` frames are read
/// and dropped, and `frames_max` + 1 are returned.
std::vector<zmq::message_t> receive_waiting(zmq::socket_t& socket, std::size_t frames_max);

inline std::span<const std::byte> bytes_of(const zmq::message_t& message) {
  return {static_cast<const std::byte*>(message.data()), message.size()};
}
inline std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text));
}

}  // namespace rookery::retriever_pool::detail
