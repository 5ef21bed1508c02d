#include "launch/chaos/fault_proxy.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <optional>
#include <random>
#include <string>

#include "tests/support/error_text.hpp"
#include "tests/support/eventually.hpp"
#include "tests/support/seed.hpp"

namespace rookery::launch {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;
using testing::eventually;

/// A blocking socket that closes itself.
class Peer {
 public:
  explicit Peer(int descriptor) : descriptor_(descriptor) {}
  Peer(Peer&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  ~Peer() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  void send(const std::string& bytes) const {
    ASSERT_EQ(::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
  }
  /// Bytes until `count` have come, the stream ends (then `ended` is true) or 20 s pass.
  std::string receive(std::size_t count) {
    std::string text;
    while (text.size() < count && !ended && !reset) {
      char buffer[4096];
      if (!readable(20s)) break;
      const auto got = ::recv(descriptor_, buffer, std::min(count - text.size(), sizeof buffer), 0);
      if (got > 0) text.append(buffer, static_cast<std::size_t>(got));
      if (got == 0) ended = true;
      if (got < 0) reset = true;
    }
    return text;
  }
  [[nodiscard]] bool readable(std::chrono::milliseconds within) const {
    pollfd entry{descriptor_, POLLIN, 0};
    return ::poll(&entry, 1, static_cast<int>(within.count())) > 0;
  }
  bool ended = false, reset = false;

 private:
  int descriptor_;
};

sockaddr_in loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  return address;
}

class FaultProxyTest : public ::testing::Test {
 protected:
  FaultProxyTest() : listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    auto address = loopback(0);
    socklen_t size = sizeof address;
    ::bind(listener_, reinterpret_cast<sockaddr*>(&address), size);
    ::listen(listener_, 16);
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    proxy.emplace("tcp://127.0.0.1:" + std::to_string(ntohs(address.sin_port)), testing::seed());
  }
  ~FaultProxyTest() override { ::close(listener_); }

  [[nodiscard]] Peer connect() const {
    const auto text = proxy->address();
    const auto address = loopback(std::stoi(text.substr(text.rfind(':') + 1)));
    const int descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    EXPECT_EQ(::connect(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address),
              0);
    return Peer(descriptor);
  }
  [[nodiscard]] Peer accept() const {
    pollfd entry{listener_, POLLIN, 0};
    EXPECT_GT(::poll(&entry, 1, 20'000), 0);
    return Peer(::accept(listener_, nullptr, nullptr));
  }
  static std::string random_bytes(std::size_t count) {
    std::mt19937_64 random(testing::seed());
    std::string bytes(count, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random());
    return bytes;
  }
  [[nodiscard]] bool none_waiting(std::chrono::milliseconds within) const {
    pollfd entry{listener_, POLLIN, 0};
    return ::poll(&entry, 1, static_cast<int>(within.count())) == 0;
  }

  std::optional<FaultProxy> proxy;

 private:
  int listener_;
};

TEST_F(FaultProxyTest, PassesEveryByteOnInBothDirectionsAndCountsThem) {
  auto client = connect();
  auto server = accept();
  const auto question = random_bytes(30'000), answer = random_bytes(50'000);
  client.send(question);
  EXPECT_EQ(server.receive(question.size()), question);
  server.send(answer);
  EXPECT_EQ(client.receive(answer.size()), answer);
  EXPECT_TRUE(eventually([&] { return proxy->counts().bytes_to_client == 50'000; }));
  EXPECT_EQ(proxy->counts().bytes_to_server, 30'000);
  EXPECT_EQ(proxy->counts().connections, 1);
}

TEST_F(FaultProxyTest, AClosedSideClosesTheOther) {
  auto server = [&] {
    auto client = connect();
    auto accepted = accept();
    client.send("last words");
    return accepted;
  }();
  EXPECT_EQ(server.receive(100), "last words");
  EXPECT_TRUE(server.ended);
}

TEST_F(FaultProxyTest, DelayedBytesComeLateAndInOrder) {
  ProxyFaults faults;
  faults.to_server.delay = 60ms;
  faults.to_server.jitter = 30ms;
  proxy->set(faults);
  auto client = connect();
  auto server = accept();
  const auto bytes = random_bytes(8'000);
  const auto begin = Clock::now();
  for (std::size_t at = 0; at < bytes.size(); at += 1000) client.send(bytes.substr(at, 1000));
  EXPECT_EQ(server.receive(bytes.size()), bytes);
  EXPECT_GE(Clock::now() - begin, 30ms);
}

TEST_F(FaultProxyTest, BandwidthHoldsBytesBack) {
  ProxyFaults faults;
  faults.to_client.bytes_per_s = 100'000;
  proxy->set(faults);
  auto client = connect();
  auto server = accept();
  const auto bytes = random_bytes(20'000);
  const auto begin = Clock::now();
  server.send(bytes);
  EXPECT_EQ(client.receive(bytes.size()), bytes);
  EXPECT_GE(Clock::now() - begin, 190ms) << "20 kB at 100 kB/s";
}

TEST_F(FaultProxyTest, APartitionOfOneDirectionHoldsItsBytesAndNoOthersUntilItHeals) {
  auto client = connect();
  auto server = accept();
  ProxyFaults faults;
  faults.to_client.held = true;
  proxy->set(faults);
  server.send("answer");
  client.send("question");
  EXPECT_EQ(server.receive(8), "question");
  EXPECT_FALSE(client.readable(50ms));
  proxy->heal();
  EXPECT_EQ(client.receive(6), "answer") << "nothing is lost";
}

TEST_F(FaultProxyTest, ABlackHoleTakesBytesForGood) {
  auto client = connect();
  auto server = accept();
  ProxyFaults faults;
  faults.to_server.swallowed = true;
  proxy->set(faults);
  client.send("gone");
  EXPECT_TRUE(eventually([&] { return proxy->counts().damaged == 1; }));
  proxy->heal();
  client.send("here");
  EXPECT_EQ(server.receive(4), "here");
}

TEST_F(FaultProxyTest, CutsAConnectionInMidStreamOnBothSides) {
  auto client = connect();
  auto server = accept();
  ProxyFaults faults;
  faults.to_client.cut_after = 2'000;
  proxy->set(faults);
  server.send(random_bytes(10'000));
  EXPECT_LT(client.receive(10'000).size(), 10'000U);
  EXPECT_TRUE(client.reset || client.ended);
  EXPECT_EQ(server.receive(1), "");
  EXPECT_TRUE(server.reset || server.ended);
  EXPECT_TRUE(eventually([&] { return proxy->counts().resets == 1; }));
}

TEST_F(FaultProxyTest, AHalfClosedDirectionEndsAndTheOtherGoesOn) {
  auto client = connect();
  auto server = accept();
  ProxyFaults faults;
  faults.to_server.cut_after = 4;
  faults.to_server.half_close = true;
  proxy->set(faults);
  client.send("one!");
  EXPECT_EQ(server.receive(100), "one!");
  EXPECT_TRUE(server.ended);
  server.send("still here");
  EXPECT_EQ(client.receive(10), "still here");
}

TEST_F(FaultProxyTest, FlipsSingleBitsAndRepeatsPieces) {
  auto client = connect();
  auto server = accept();
  ProxyFaults faults;
  faults.to_server.corruption = 1;
  faults.to_client.duplication = 1;
  proxy->set(faults);
  const std::string bytes(1000, 'a');
  client.send(bytes);
  const auto got = server.receive(bytes.size());
  ASSERT_EQ(got.size(), bytes.size());
  int bits = 0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    bits += __builtin_popcount(static_cast<unsigned char>(got[i] ^ bytes[i]));
  }
  EXPECT_EQ(bits, 1);
  server.send("twice ");
  EXPECT_EQ(client.receive(12), "twice twice ");
}

TEST_F(FaultProxyTest, RefusesOrDelaysNewConnections) {
  ProxyFaults faults;
  faults.refuse = true;
  proxy->set(faults);
  auto refused = connect();
  refused.receive(1);
  EXPECT_TRUE(refused.reset || refused.ended);
  faults.refuse = false;
  faults.accept_delay = 100ms;
  proxy->set(faults);
  const auto begin = Clock::now();
  auto late = connect();
  late.send("x");
  auto server = accept();
  EXPECT_EQ(server.receive(1), "x");
  EXPECT_GE(Clock::now() - begin, 100ms);
}

TEST_F(FaultProxyTest, ResetsAllConnectionsAtOnce) {
  auto one = connect();
  auto first = accept();
  auto two = connect();
  auto second = accept();
  proxy->reset_all();
  for (auto* peer : {&one, &two, &first, &second}) {
    EXPECT_EQ(peer->receive(1), "");
    EXPECT_TRUE(peer->reset || peer->ended);
  }
  EXPECT_TRUE(eventually([&] { return proxy->open_connections() == 0; }));
}

TEST(FaultProxyAddressTest, ATargetThatIsNoAddressIsRefused) {
  EXPECT_THAT(testing::error_text([] { FaultProxy("ipc:///tmp/x", 1); }),
              ::testing::HasSubstr("expected HOST:PORT with an IPv4 address, got 'ipc:///tmp/x'"));
}

}  // namespace
}  // namespace rookery::launch
