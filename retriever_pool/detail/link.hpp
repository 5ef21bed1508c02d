#pragma once

#include <array>
#include <chrono>
#include <optional>
#include <string>
#include <vector>
#include <zmq.hpp>

#include "retriever_pool/retriever.hpp"

namespace rookery::retriever_pool::detail {

/// A client's connection to one server: a DEALER that queues nothing for a server that is not
/// there, and a monitor that tells at once when the connection comes and goes. One thread at a
/// time.
class Link {
 public:
  /// Throws `zmq::error_t` for an endpoint that makes no sense.
  Link(zmq::context_t& context, const std::string& endpoint, const CurveClientKeys& keys = {});
  ~Link();
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

  /// Of messages and of changes, both to be polled by `zmq::poll` for reading, or else:
  [[nodiscard]] zmq::socket_t& socket() { return socket_; }
  [[nodiscard]] zmq::socket_t& monitor() { return monitor_; }
  /// The same two, to be polled for reading: when one becomes readable, `receive` and
  /// `next_change` are called until they return nothing.
  [[nodiscard]] std::array<int, 2> descriptors() const { return descriptors_; }
  /// Whether messages may wait that the descriptors do not tell of: after sending, for example.
  [[nodiscard]] bool unread() const { return unread_; }
  /// When `next_change` wants to be called at the latest.
  [[nodiscard]] std::chrono::steady_clock::time_point next_step() const;
  [[nodiscard]] const std::string& endpoint() const { return endpoint_; }

  /// False when the message could not be handed over now: not connected, or too many wait.
  bool send(const std::string& header, zmq::message_t& body);
  bool send(const std::string& header, const std::string& body);
  /// Frames of the next message (at most 2, 3 when there were more), or nothing.
  std::vector<zmq::message_t> receive();
  enum class Change { kConnected, kDisconnected };
  /// The next change of the connection, or nothing.
  std::optional<Change> next_change();
  /// Why the last handshake failed, in words for people; empty after one that succeeded.
  [[nodiscard]] const std::string& trouble() const { return trouble_; }

 private:
  void take_failure(std::uint16_t event, std::uint32_t value);
  void connect_again();

  std::string endpoint_, trouble_;
  bool keys_ = false;
  /// ZeroMQ never connects again after a breach of protocol or a refused key: then we do.
  std::optional<std::chrono::steady_clock::time_point> again_;
  zmq::socket_t socket_, monitor_;
  std::array<int, 2> descriptors_{};
  bool unread_ = true;
};

/// Sets the client's side of CURVE; nothing for empty keys.
void use_keys(zmq::socket_t& socket, const CurveClientKeys& keys);

/// What is told when no routing view came; `trouble` as `Link::trouble`.
std::string no_view_text(const std::string& head, std::chrono::milliseconds timeout,
                         const std::string& trouble);

}  // namespace rookery::retriever_pool::detail
