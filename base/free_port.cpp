#include "base/free_port.hpp"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.hpp"

namespace rookery::base {

std::uint16_t free_port() {
  const int listening = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  const bool bound = listening >= 0 &&
                     ::bind(listening, reinterpret_cast<sockaddr*>(&address), size) == 0 &&
                     ::getsockname(listening, reinterpret_cast<sockaddr*>(&address), &size) == 0;
  if (listening >= 0) ::close(listening);
  if (!bound) throw UserError("127.0.0.1: expected a free port, got none");
  return ntohs(address.sin_port);
}

}  // namespace rookery::base
