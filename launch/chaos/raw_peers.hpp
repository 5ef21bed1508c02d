#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "retriever_pool/wire_bodies.hpp"

namespace rookery::launch {

/// A ZeroMQ client without manners: sends any frames to a data or routing port.
class RawDealer {
 public:
  explicit RawDealer(const std::string& endpoint);
  ~RawDealer();
  void send(const std::vector<std::string>& frames);
  void send(const retriever_pool::wire::Header& header, const std::string& body);
  /// The error that the next message is; nothing when none comes in time or it is another message.
  std::optional<retriever_pool::wire::ErrorBody> receive_error(std::chrono::milliseconds timeout);
  /// The frames of the next message; empty when none comes in time.
  std::vector<std::string> receive(std::chrono::milliseconds timeout);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// A TCP connection to "HOST:PORT" or "tcp://HOST:PORT" that says what it likes.
class RawTcp {
 public:
  explicit RawTcp(
      const std::string& address);  ///< Throws `std::runtime_error` without a connection.
  ~RawTcp();
  RawTcp(RawTcp&& other) noexcept;
  RawTcp& operator=(RawTcp&&) = delete;
  bool send(const std::string& bytes) const;  ///< false when the other side has closed
  /// True when the other side closes within `timeout`; what it says before is read and dropped.
  bool closed_within(std::chrono::milliseconds timeout) const;

 private:
  int descriptor_;
};

/// The greeting of a ZeroMQ peer without security, and its READY as `socket_type`.
std::string zmtp_hello(const std::string& socket_type);

}  // namespace rookery::launch
