#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace rookery::testing {

/// Connections to a port of this host on which nothing is sent unless the test says so: a port
/// scanner, or somebody who wants to use up a server's descriptors. Use from one thread.
class SilentClients {
 public:
  SilentClients(std::uint16_t port, int count) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (int i = 0; i < count; ++i) {
      const int descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
      if (::connect(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
        descriptors_.push_back(descriptor);
      } else {
        ::close(descriptor);
      }
    }
  }
  ~SilentClients() {
    for (const int descriptor : descriptors_) ::close(descriptor);
  }
  SilentClients(const SilentClients&) = delete;
  SilentClients& operator=(const SilentClients&) = delete;

  /// The same bytes on each of them.
  void send(const std::string& bytes) const {
    for (const int descriptor : descriptors_) {
      (void)::send(descriptor, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    }
  }

  /// How many the server has not closed yet; what it says unasked (a greeting) is thrown away.
  [[nodiscard]] std::size_t open() {
    std::erase_if(descriptors_, [](int descriptor) {
      std::array<char, 4096> bytes{};
      const auto got = ::recv(descriptor, bytes.data(), bytes.size(), MSG_DONTWAIT);
      const bool closed =
          got == 0 || (got < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
      if (closed) ::close(descriptor);
      return closed;
    });
    return descriptors_.size();
  }

 private:
  std::vector<int> descriptors_;
};

}  // namespace rookery::testing
