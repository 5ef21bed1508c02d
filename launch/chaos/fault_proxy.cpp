#include "launch/chaos/fault_proxy.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <list>
#include <mutex>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include "base/error.hpp"

namespace rookery::launch {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr std::size_t kPieceBytes = 1448;      // a segment of TCP on Ethernet
constexpr std::size_t kBufferBytes = 1 << 20;  // a direction holds so much, then the sender waits
constexpr double kRepairTrips = 1.25;  // round trips from a later segment to the repair: RFC 8985

sockaddr_in parse_target(const std::string& target) {
  std::string text = target;
  if (text.starts_with("tcp://")) text.erase(0, 6);
  const auto colon = text.rfind(':');
  sockaddr_in address{};
  address.sin_family = AF_INET;
  int port = 0;
  if (colon != std::string::npos) port = std::atoi(text.c_str() + colon + 1);
  if (port < 1 || port > 65'535 ||
      ::inet_pton(AF_INET, text.substr(0, colon).c_str(), &address.sin_addr) != 1) {
    throw base::UserError("fault proxy: expected HOST:PORT with an IPv4 address, got '" + target +
                          "'");
  }
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  return address;
}

struct Piece {
  Clock::time_point due;      // never before that of the piece ahead: TCP keeps the order
  Clock::time_point arrival;  // if nothing ahead held it up
  bool lost = false;          // it arrives by TCP's timer, unless something behind it shows the gap
  std::string bytes;
};

/// One direction of one connection.
struct Flow {
  int from = -1, to = -1;
  std::deque<Piece> pieces;
  std::size_t buffered = 0, sent_of_first = 0;
  Clock::time_point last_due{}, line_free{};
  std::size_t lost = 0;     // of `pieces`, and not repaired yet
  std::int64_t passed = 0;  // since `cut_after` was set
  bool ended = false;       // the sender has closed
  bool closed = false;      // and we told the receiver, or cut it
};

struct Connection {
  int client = -1, server = -1;
  bool connecting = false, dead = false;
  Clock::time_point connect_at{};
  Flow up, down;  // to the server, to the client
};

void close_hard(int& descriptor) {
  if (descriptor < 0) return;
  const linger now{1, 0};  // RST instead of FIN
  ::setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  ::close(descriptor);
  descriptor = -1;
}

}  // namespace

struct FaultProxy::Impl {
  Impl(std::string target_text, std::uint64_t seed)
      : target(std::move(target_text)),
        server_address(parse_target(target)),
        random(seed),
        listener(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)),
        bell(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (listener < 0 || bell < 0 ||
        ::bind(listener, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
        ::listen(listener, 128) != 0 ||
        ::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
      const std::string why = std::strerror(errno);
      ::close(listener);
      ::close(bell);
      throw base::UserError("fault proxy: cannot listen: " + why);
    }
    port = ntohs(address.sin_port);
    thread = std::thread([this] { run(); });
  }

  ~Impl() {
    {
      const std::lock_guard lock(mutex);
      closing = true;
    }
    ring();
    thread.join();
    for (Connection& connection : connections) kill(connection);
    ::close(listener);
    ::close(bell);
  }

  void ring() const {
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written = ::write(bell, &one, sizeof one);
  }

  // --- the thread ---

  void run() {
    while (true) {
      bool reset = false;
      {
        const std::lock_guard lock(mutex);
        if (closing) return;
        if (std::exchange(changed, false)) {
          taken.notify_all();
          faults = wanted;
          for (Connection& connection : connections) {
            connection.up.passed = connection.down.passed = 0;
          }
        }
        reset = std::exchange(reset_wanted, false);
      }
      const auto now = Clock::now();
      for (Connection& connection : connections) {
        if (reset) cut(connection);
        step(connection, now);
      }
      connections.remove_if([](Connection& connection) {
        if (!connection.dead) return false;
        kill(connection);
        return true;
      });
      {
        const std::lock_guard lock(mutex);
        open = static_cast<std::int64_t>(connections.size());
        shown = counts;
      }
      wait();
    }
  }

  void step(Connection& connection, Clock::time_point now) {
    if (connection.dead) return;
    if (connection.server < 0) {
      if (now >= connection.connect_at) connect_on(connection);
      return;
    }
    if (connection.connecting) {
      pollfd entry{connection.server, POLLOUT, 0};
      if (::poll(&entry, 1, 0) <= 0) return;
      int error = 0;
      socklen_t size = sizeof error;
      ::getsockopt(connection.server, SOL_SOCKET, SO_ERROR, &error, &size);
      if (error != 0) return cut(connection);
      connection.connecting = false;
    }
    pump(connection, connection.up, faults.to_server, counts.bytes_to_server, now);
    pump(connection, connection.down, faults.to_client, counts.bytes_to_client, now);
    if (connection.up.closed && connection.down.closed) connection.dead = true;
  }

  void connect_on(Connection& connection) {
    connection.server = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    const int on = 1;
    ::setsockopt(connection.server, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    connection.up = {connection.client, connection.server, {}, 0, 0, {}, {}, 0, 0, false, false};
    connection.down = {connection.server, connection.client, {}, 0, 0, {}, {}, 0, 0, false, false};
    connection.connecting = true;
    if (::connect(connection.server, reinterpret_cast<const sockaddr*>(&server_address),
                  sizeof server_address) != 0 &&
        errno != EINPROGRESS) {
      cut(connection);
    }
  }

  void pump(Connection& connection, Flow& flow, const FlowFaults& fault, std::int64_t& bytes,
            Clock::time_point now) {
    if (flow.closed || connection.dead) return;
    // What is held back stays with the sender's own kernel as soon as our buffer is full.
    char buffer[16 * kPieceBytes];
    while (!flow.ended && flow.buffered < kBufferBytes) {
      const auto got = ::recv(flow.from, buffer, sizeof buffer, 0);
      if (got > 0) {
        take(flow, fault, {buffer, static_cast<std::size_t>(got)}, now);
        if (static_cast<std::size_t>(got) < sizeof buffer) break;
      } else if (got == 0) {
        flow.ended = true;
      } else if (errno == EAGAIN || errno == EINTR) {
        break;
      } else {
        return kill(connection);  // reset by its peer: so is the other side
      }
    }
    while (!fault.held && !flow.pieces.empty() && flow.pieces.front().due <= now) {
      Piece& piece = flow.pieces.front();
      const auto sent = ::send(flow.to, piece.bytes.data() + flow.sent_of_first,
                               piece.bytes.size() - flow.sent_of_first, MSG_NOSIGNAL);
      if (sent < 0) {
        if (errno == EAGAIN || errno == EINTR) return;
        return kill(connection);
      }
      bytes += sent;
      flow.passed += sent;
      flow.sent_of_first += static_cast<std::size_t>(sent);
      flow.buffered -= static_cast<std::size_t>(sent);
      if (flow.sent_of_first == piece.bytes.size()) {
        if (piece.lost) --flow.lost;
        flow.pieces.pop_front();
        flow.sent_of_first = 0;
      }
      if (fault.cut_after && flow.passed >= *fault.cut_after) {
        if (!fault.half_close) return cut(connection);
        ++counts.resets;
        flow.pieces.clear();
        flow.buffered = flow.lost = 0;
        flow.ended = true;
      }
    }
    if (flow.ended && flow.pieces.empty() && !fault.held) {
      ::shutdown(flow.to, SHUT_WR);
      flow.closed = true;
    }
  }

  void take(Flow& flow, const FlowFaults& fault, std::string_view bytes, Clock::time_point now) {
    std::uniform_real_distribution<double> chance(0, 1);
    for (std::size_t at = 0; at < bytes.size(); at += kPieceBytes) {
      Piece piece{now, now, false, std::string(bytes.substr(at, kPieceBytes))};
      if (fault.swallowed) {
        ++counts.damaged;
        continue;
      }
      auto late = std::chrono::duration<double, std::milli>(fault.delay);
      if (fault.jitter.count() > 0) {
        late += (2 * chance(random) - 1) * std::chrono::duration<double, std::milli>(fault.jitter);
      }
      piece.lost = fault.loss > 0 && chance(random) < fault.loss;
      if (piece.lost) late += fault.retransmit;
      piece.due += std::chrono::duration_cast<Clock::duration>(
          std::max(late, std::chrono::duration<double, std::milli>(0)));
      if (fault.bytes_per_s > 0) {
        flow.line_free =
            std::max(flow.line_free, now) +
            std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(
                static_cast<double>(piece.bytes.size()) / static_cast<double>(fault.bytes_per_s)));
        piece.due += flow.line_free - now;
      }
      piece.arrival = piece.due;
      if (piece.lost) {
        ++flow.lost;
      } else if (flow.lost > 0) {
        repair(flow, fault, now);
      }
      piece.due = flow.last_due = std::max(piece.due, flow.last_due);
      if (fault.corruption > 0 && chance(random) < fault.corruption) {
        const auto bit = random() % (piece.bytes.size() * 8);
        piece.bytes[bit / 8] = static_cast<char>(piece.bytes[bit / 8] ^ (1 << (bit % 8)));
        ++counts.damaged;
      }
      flow.buffered += piece.bytes.size();
      const bool twice = fault.duplication > 0 && chance(random) < fault.duplication;
      if (twice) {
        ++counts.damaged;
        flow.buffered += piece.bytes.size();
        flow.lost += piece.lost;
        flow.pieces.push_back(piece);
      }
      flow.pieces.push_back(std::move(piece));
    }
  }

  /// A segment went out behind lost ones: its acknowledgement tells the sender of the gap, which
  /// sends them again at once.
  void repair(Flow& flow, const FlowFaults& fault, Clock::time_point now) const {
    const auto trip = faults.to_server.delay + faults.to_client.delay;
    const auto repaired =
        now + fault.delay + std::chrono::duration_cast<Clock::duration>(kRepairTrips * trip);
    flow.last_due = {};
    for (Piece& piece : flow.pieces) {
      if (std::exchange(piece.lost, false)) piece.arrival = std::min(piece.arrival, repaired);
      piece.due = flow.last_due = std::max(piece.arrival, flow.last_due);
    }
    flow.lost = 0;
  }

  void cut(Connection& connection) {
    if (connection.dead) return;
    ++counts.resets;
    kill(connection);
  }
  static void kill(Connection& connection) {
    close_hard(connection.client);
    close_hard(connection.server);
    connection.dead = true;
  }

  void accept_one() {
    int client = ::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (client < 0) return;
    ++counts.connections;
    if (faults.refuse) {
      ++counts.resets;
      return close_hard(client);
    }
    const int on = 1;
    ::setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    Connection& connection = connections.emplace_back();
    connection.client = client;
    connection.connect_at = Clock::now() + faults.accept_delay;
  }

  void wait() {
    std::vector<pollfd> entries = {{bell, POLLIN, 0}, {listener, POLLIN, 0}};
    const auto now = Clock::now();
    auto until = now + std::chrono::hours(1);
    for (const Connection& connection : connections) {
      if (connection.server < 0) {
        until = std::min(until, connection.connect_at);
        continue;
      }
      if (connection.connecting) {
        entries.push_back({connection.server, POLLOUT, 0});
        continue;
      }
      for (const auto& [flow, fault] : {std::pair{&connection.up, &faults.to_server},
                                        std::pair{&connection.down, &faults.to_client}}) {
        if (flow->closed) continue;
        if (!flow->ended && flow->buffered < kBufferBytes) {
          entries.push_back({flow->from, POLLIN, 0});
        }
        if (flow->pieces.empty() || fault->held) continue;
        if (flow->pieces.front().due <= now) {
          entries.push_back({flow->to, POLLOUT, 0});
        } else {
          until = std::min(until, flow->pieces.front().due);
        }
      }
    }
    const auto left = std::chrono::ceil<milliseconds>(until - now).count();
    ::poll(entries.data(), entries.size(), static_cast<int>(std::max<std::int64_t>(left, 0)));
    if (entries[0].revents != 0) {
      std::uint64_t drained = 0;
      [[maybe_unused]] const auto got = ::read(bell, &drained, sizeof drained);
    }
    if (entries[1].revents != 0) accept_one();
  }

  std::string target;
  sockaddr_in server_address;
  std::mt19937_64 random;  // of the thread
  int listener, bell;
  int port = 0;

  mutable std::mutex mutex;  // guards the next lines
  ProxyFaults wanted;
  bool changed = false, reset_wanted = false, closing = false;
  std::condition_variable taken;  // `wanted` holds for all bytes from now on
  ProxyCounts shown;
  std::int64_t open = 0;

  ProxyFaults faults;  // of the thread, as are the next two
  ProxyCounts counts;
  std::list<Connection> connections;
  std::thread thread;
};

FaultProxy::FaultProxy(const std::string& target, std::uint64_t seed)
    : impl_(std::make_unique<Impl>(target, seed)) {}
FaultProxy::~FaultProxy() = default;
std::string FaultProxy::address() const { return "127.0.0.1:" + std::to_string(impl_->port); }
const std::string& FaultProxy::target() const { return impl_->target; }
void FaultProxy::set(const ProxyFaults& faults) {
  std::unique_lock lock(impl_->mutex);
  impl_->wanted = faults;
  impl_->changed = true;
  impl_->ring();
  impl_->taken.wait(lock, [this] { return !impl_->changed; });
}
void FaultProxy::reset_all() {
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->reset_wanted = true;
  }
  impl_->ring();
}
ProxyCounts FaultProxy::counts() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->shown;
}
std::int64_t FaultProxy::open_connections() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->open;
}

}  // namespace rookery::launch
