#include "base/http_server.hpp"

#include "base/detail/http_address.hpp"
#include "base/detail/http_connection.hpp"
#include "base/detail/tls_context.hpp"
#include "base/error.hpp"
#include "base/log.hpp"

#include <boost/asio/io_context.hpp>
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <list>
#include <optional>
#include <stdexcept>
#include <system_error>
#include <thread>
#include <vector>

namespace rookery::base {

namespace {

using Clock = std::chrono::steady_clock;
using Tcp = boost::asio::ip::tcp;

constexpr std::string_view kFull =
    "HTTP/1.1 503 Service Unavailable\r\nServer: rookery\r\nContent-Type: text/plain\r\n"
    "Retry-After: 1\r\nConnection: close\r\nContent-Length: 21\r\n\r\ntoo many connections\n";

/// Refused connections stay open until the client has closed too, or this long: a close with
/// unread bytes would reset the connection and the client would never see the 503.
constexpr std::chrono::seconds kLinger{1};
constexpr std::size_t kLingeringMax = 64;
constexpr std::size_t kEndingMax = 64;  ///< evicted connections whose threads still end

struct Lingering {
  int descriptor;
  Clock::time_point deadline;
};

struct Connection {
  int descriptor = -1;  ///< our own copy, to shut the socket down from outside
  std::atomic<bool> done{false};
  std::atomic<bool> waiting{true};  ///< for a request: it may be closed to make room
  bool evicted = false;
  std::thread thread;
};

}  // namespace

struct HttpServer::Impl {
  HttpServerOptions options;
  HttpHandler handler;
  boost::asio::io_context context{1};
  Tcp::acceptor acceptor{context};
  Tcp::endpoint local;
  int wake = -1;
  std::atomic<bool> stop{false};
  std::list<Connection> connections;  // only the accepting thread touches it until it has ended
  std::vector<Lingering> lingering;   // likewise
  std::thread accepting;
  std::optional<detail::ServerContexts> contexts;

  void listen() {
    const auto endpoint = detail::resolve_address(options.listen);
    const auto check = [&](const boost::system::error_code& error, const char* remedy) {
      if (error) {
        throw UserError("cannot listen on " + options.listen + ": " + error.message() + remedy);
      }
    };
    boost::system::error_code error;
    acceptor.open(endpoint.protocol(), error);
    check(error, "");
    acceptor.set_option(Tcp::acceptor::reuse_address(true), error);
    acceptor.bind(endpoint, error);
    check(error, error == boost::asio::error::address_in_use
                     ? "; choose another port, or 0 for a free one"
                     : "");
    acceptor.listen(128, error);
    check(error, "");
    acceptor.native_non_blocking(true, error);
    local = acceptor.local_endpoint();
  }

  void reap(bool all) {
    for (auto it = connections.begin(); it != connections.end();) {
      if (!all && !it->done.load()) {
        ++it;
        continue;
      }
      it->thread.join();
      ::close(it->descriptor);
      it = connections.erase(it);
    }
  }

  void refuse(int descriptor) {
    [[maybe_unused]] const auto sent =
        ::send(descriptor, kFull.data(), kFull.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    ::shutdown(descriptor, SHUT_WR);
    if (lingering.size() == kLingeringMax) {
      ::close(lingering.front().descriptor);
      lingering.erase(lingering.begin());
    }
    lingering.push_back({descriptor, Clock::now() + kLinger});
  }

  void start_connection(int descriptor) {
    auto& connection = connections.emplace_back();
    // The socket itself belongs to the connection's thread, which may close it at any time.
    connection.descriptor = ::fcntl(descriptor, F_DUPFD_CLOEXEC, 0);
    if (connection.descriptor < 0) {
      connections.pop_back();
      refuse(descriptor);
      return;
    }
    try {
      connection.thread = std::thread([this, &connection, descriptor, tls = contexts->next()] {
        detail::serve_connection(descriptor, local.address().is_v6(), options, handler,
                                 {stop, connection.waiting, tls.get()});
        // The copy would keep the connection open for the client until it is reaped.
        ::shutdown(connection.descriptor, SHUT_RDWR);
        connection.done.store(true);
      });
    } catch (const std::system_error&) {
      ::close(connection.descriptor);
      connections.pop_back();
      refuse(descriptor);
    }
  }

  /// Threads that end while their successors begin are not counted against the limit twice.
  [[nodiscard]] std::size_t room() const {
    const auto ending = static_cast<std::size_t>(
        std::count_if(connections.begin(), connections.end(),
                      [](const Connection& connection) { return connection.evicted; }));
    return static_cast<std::size_t>(options.connections_max) + std::min(ending, kEndingMax);
  }

  /// Closes the connection that has waited longest without a request: whoever opens many and asks
  /// nothing cannot keep the others out.
  void evict_one() {
    for (Connection& connection : connections) {
      if (connection.evicted || !connection.waiting) continue;
      connection.evicted = true;
      ::shutdown(connection.descriptor, SHUT_RDWR);
      return;
    }
  }

  void accept_one() {
    const int descriptor =
        ::accept4(acceptor.native_handle(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (descriptor < 0) {
      if (errno == EMFILE || errno == ENFILE) {
        logger("base")->warn("http: out of file descriptors on {}", options.listen);
        // The connection stays in the backlog; poll would report it again at once.
        pollfd entry{wake, POLLIN, 0};
        ::poll(&entry, 1, 100);
      }
      return;
    }
    reap(false);
    if (connections.size() >= static_cast<std::size_t>(options.connections_max)) evict_one();
    if (connections.size() >= room()) {
      refuse(descriptor);
    } else {
      start_connection(descriptor);
    }
  }

  void tend_lingering(const std::vector<pollfd>& polled) {
    const auto now = Clock::now();
    std::erase_if(lingering, [&](const Lingering& entry) {
      const bool readable = std::any_of(polled.begin(), polled.end(), [&](const pollfd& p) {
        return p.fd == entry.descriptor && p.revents != 0;
      });
      std::array<char, 4096> block{};
      const bool ended =
          readable && ::recv(entry.descriptor, block.data(), block.size(), MSG_DONTWAIT) <= 0;
      if (!ended && now < entry.deadline) return false;
      ::close(entry.descriptor);
      return true;
    });
  }

  void accept_until_stopped() {
    while (!stop.load()) {
      std::vector<pollfd> polled{{wake, POLLIN, 0}, {acceptor.native_handle(), POLLIN, 0}};
      for (const auto& entry : lingering) polled.push_back({entry.descriptor, POLLIN, 0});
      // Wakes up now and then to end the lingering ones and to free ended threads.
      ::poll(polled.data(), polled.size(), lingering.empty() && connections.empty() ? -1 : 500);
      tend_lingering(polled);
      reap(false);
      if ((polled[1].revents & POLLIN) != 0) accept_one();
    }
  }

  void shut_down() {
    stop.store(true);
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written = ::write(wake, &one, sizeof one);
    accepting.join();
    boost::system::error_code ignored;
    acceptor.close(ignored);
    // Also wakes handlers that ask whether the client has gone.
    for (auto& connection : connections) ::shutdown(connection.descriptor, SHUT_RDWR);
    reap(true);
    for (const auto& entry : lingering) ::close(entry.descriptor);
    ::close(wake);
  }
};

HttpServer::HttpServer(HttpServerOptions options, HttpHandler handler)
    : impl_(std::make_unique<Impl>()) {
  if (options.connections_max < 1 || options.body_bytes_max < 0 ||
      options.read_timeout.count() < 1) {
    throw std::invalid_argument(
        "HttpServer: connections_max and read_timeout must be positive, body_bytes_max not "
        "negative");
  }
  impl_->options = std::move(options);
  impl_->handler = std::move(handler);
  impl_->contexts.emplace(impl_->options.tls);
  impl_->listen();
  impl_->wake = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (impl_->wake < 0) throw std::system_error(errno, std::generic_category(), "eventfd");
  impl_->accepting = std::thread([this] { impl_->accept_until_stopped(); });
}

HttpServer::~HttpServer() { impl_->shut_down(); }

std::uint16_t HttpServer::port() const { return impl_->local.port(); }

std::string HttpServer::address() const {
  const auto host = impl_->local.address().to_string();
  const auto port = std::to_string(impl_->local.port());
  return (impl_->local.address().is_v6() ? "[" + host + "]:" : host + ":") + port;
}

}  // namespace rookery::base
