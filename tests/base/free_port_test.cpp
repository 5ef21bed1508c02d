#include "base/free_port.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/eventually.hpp"

namespace rookery::base {
namespace {

bool can_bind(std::uint16_t port) {
  const int listening = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const bool bound =
      ::bind(listening, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  ::close(listening);
  return bound;
}

TEST(FreePort, CanBeBoundByWhoeverIsTold) {
  // Again, because another process may take it in between.
  EXPECT_TRUE(rookery::testing::eventually([] { return can_bind(free_port()); }));
}

}  // namespace
}  // namespace rookery::base
