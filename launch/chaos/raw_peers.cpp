#include "launch/chaos/raw_peers.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <span>
#include <stdexcept>
#include <utility>
#include <zmq.hpp>

namespace rookery::launch {
namespace {

namespace wire = retriever_pool::wire;

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

}  // namespace

struct RawDealer::Impl {
  zmq::context_t context;
  zmq::socket_t socket{context, zmq::socket_type::dealer};
};

RawDealer::RawDealer(const std::string& endpoint) : impl_(std::make_unique<Impl>()) {
  impl_->socket.set(zmq::sockopt::linger, 0);
  impl_->socket.set(zmq::sockopt::sndtimeo, 2000);
  impl_->socket.connect(endpoint);
}
RawDealer::~RawDealer() = default;

void RawDealer::send(const std::vector<std::string>& frames) {
  for (std::size_t i = 0; i < frames.size(); ++i) {
    const bool last = i + 1 == frames.size();
    impl_->socket.send(zmq::buffer(frames[i]),
                       last ? zmq::send_flags::none : zmq::send_flags::sndmore);
  }
}

void RawDealer::send(const wire::Header& header, const std::string& body) {
  send({wire::encode_header(header, bytes_of(body)), body});
}

std::vector<std::string> RawDealer::receive(std::chrono::milliseconds timeout) {
  impl_->socket.set(zmq::sockopt::rcvtimeo, static_cast<int>(timeout.count()));
  std::vector<std::string> frames;
  zmq::message_t frame;
  while (impl_->socket.recv(frame)) {
    frames.push_back(frame.to_string());
    if (!frame.more()) break;
  }
  return frames;
}

std::optional<wire::ErrorBody> RawDealer::receive_error(std::chrono::milliseconds timeout) {
  const auto frames = receive(timeout);
  try {
    if (frames.size() != 2) return std::nullopt;
    const auto header = wire::decode_header(bytes_of(frames[0]));
    if (header.type != wire::Type::kError) return std::nullopt;
    return wire::decode_error(bytes_of(frames[1]));
  } catch (const wire::WireError&) {
    return std::nullopt;
  }
}

RawTcp::RawTcp(const std::string& address)
    : descriptor_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  std::string text = address.starts_with("tcp://") ? address.substr(6) : address;
  const auto colon = text.rfind(':');
  sockaddr_in target{};
  target.sin_family = AF_INET;
  ::inet_pton(AF_INET, text.substr(0, colon).c_str(), &target.sin_addr);
  target.sin_port = htons(static_cast<std::uint16_t>(std::atoi(text.c_str() + colon + 1)));
  const timeval limit{2, 0};
  ::setsockopt(descriptor_, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  if (::connect(descriptor_, reinterpret_cast<sockaddr*>(&target), sizeof target) != 0) {
    const std::string why = std::strerror(errno);
    ::close(descriptor_);
    throw std::runtime_error(address + ": " + why);
  }
}
RawTcp::RawTcp(RawTcp&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
RawTcp::~RawTcp() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

bool RawTcp::send(const std::string& bytes) const {
  std::size_t at = 0;
  while (at < bytes.size()) {
    const auto sent = ::send(descriptor_, bytes.data() + at, bytes.size() - at, MSG_NOSIGNAL);
    if (sent <= 0) return false;
    at += static_cast<std::size_t>(sent);
  }
  return true;
}

bool RawTcp::closed_within(std::chrono::milliseconds timeout) const {
  const auto end = std::chrono::steady_clock::now() + timeout;
  while (true) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
    pollfd entry{descriptor_, POLLIN, 0};
    if (left.count() <= 0 || ::poll(&entry, 1, static_cast<int>(left.count())) <= 0) return false;
    char buffer[4096];
    if (::recv(descriptor_, buffer, sizeof buffer, 0) <= 0) return true;
  }
}

std::string zmtp_hello(const std::string& socket_type) {
  std::string greeting("\xFF\0\0\0\0\0\0\0\x01\x7F\x03\0", 12);
  greeting += "NULL" + std::string(16, '\0');  // mechanism, 20 bytes
  greeting += std::string(32, '\0');           // as a client; filler
  std::string ready("\x05READY\x0BSocket-Type", 18);
  ready += std::string("\0\0\0", 3) + static_cast<char>(socket_type.size()) + socket_type;
  return greeting + '\x04' + static_cast<char>(ready.size()) + ready;
}

}  // namespace rookery::launch
