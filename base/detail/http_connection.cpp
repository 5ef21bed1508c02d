#include "base/detail/http_connection.hpp"

#include "base/log.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <optional>

namespace rookery::base::detail {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;

namespace {

constexpr std::uint32_t kHeaderBytesMax = 32 << 10;
/// What is read and dropped behind a refused body, so that the client can read our answer instead
/// of a connection reset.
constexpr std::size_t kDrainedBytesMax = 16 << 20;
constexpr std::chrono::seconds kDrainTimeout{2};
/// For the handshake and the headers of the first request, so that connections on which nothing
/// comes (or one byte a second) go soon.
constexpr std::chrono::milliseconds kFirstRequest{4'000};
constexpr std::chrono::milliseconds kGoodbye{250};

/// A stream with blocking calls that respect a time-out: Beast's own blocking calls have none, so
/// asynchronous ones are run to their end on a private event loop.
struct Channel {
  asio::io_context context{1};
  beast::tcp_stream stream{context};
  std::optional<asio::ssl::stream<beast::tcp_stream&>> secure;  // over `stream`
  beast::flat_buffer buffer;
  std::chrono::milliseconds timeout;
  std::optional<std::chrono::steady_clock::time_point> until;  // instead of the time-out
  bool broken = false;

  explicit Channel(std::chrono::milliseconds timeout_of_all) : timeout(timeout_of_all) {}

  /// Runs what `start(stream, handler)` begins and returns its error.
  template <typename Start>
  beast::error_code run(const Start& start) {
    beast::error_code error;
    if (until) {
      stream.expires_at(*until);
    } else {
      stream.expires_after(timeout);
    }
    const auto done = [&error](beast::error_code code, auto&&...) { error = code; };
    if (secure) {
      start(*secure, done);
    } else {
      start(stream, done);
    }
    context.restart();
    context.run();
    return error;
  }

  [[nodiscard]] beast::error_code shake_hands(asio::ssl::context& tls) {
    secure.emplace(stream, tls);
    beast::error_code error;
    stream.expires_at(*until);
    secure->async_handshake(asio::ssl::stream_base::server,
                            [&error](beast::error_code code) { error = code; });
    context.restart();
    context.run();
    return error;
  }

  /// Tells the other side of TLS that nothing was cut off.
  void say_goodbye() {
    if (!secure || broken) return;
    stream.expires_after(kGoodbye);
    secure->async_shutdown([](beast::error_code) {});
    context.restart();
    context.run();
  }

  template <bool is_request, typename Body>
  void write(http::message<is_request, Body>& message) {
    if (broken) return;
    http::serializer<is_request, Body> serializer(message);
    broken = bool(run([&](auto& to, auto done) { http::async_write(to, serializer, done); }));
  }

  void write_bytes(asio::const_buffer bytes) {
    if (broken) return;
    broken = bool(run([&](auto& to, auto done) { asio::async_write(to, bytes, done); }));
  }

  [[nodiscard]] bool peer_gone() {
    if (broken) return true;
    if (secure) {  // unread bytes may be TLS's own
      pollfd entry{stream.socket().native_handle(), POLLRDHUP, 0};
      return ::poll(&entry, 1, 0) > 0;
    }
    char byte = 0;
    const auto got = ::recv(stream.socket().native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR);
  }

  /// Ends our side and waits for the other to end its own.
  void close_politely() {
    beast::error_code ignored;
    stream.socket().shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
    const auto deadline = std::chrono::steady_clock::now() + kDrainTimeout;
    std::array<char, 65536> block{};
    for (std::size_t drained = 0; drained < kDrainedBytesMax;) {
      beast::error_code error;
      std::size_t count = 0;
      stream.expires_at(deadline);
      stream.async_read_some(asio::buffer(block), [&](beast::error_code code, std::size_t got) {
        error = code;
        count = got;
      });
      context.restart();
      context.run();
      if (error) return;
      drained += count;
    }
  }
};

class Reply final : public HttpReply {
 public:
  Reply(Channel& channel, unsigned version, bool keep_alive, bool head)
      : channel_(channel), version_(version), keep_alive_(keep_alive), head_(head) {}

  void respond(int status, std::string_view content_type, std::string_view body) override {
    if (state_ != State::kOpen) return;
    state_ = State::kDone;
    http::response<http::string_body> message(static_cast<http::status>(status), version_);
    set_fields(message, content_type);
    message.keep_alive(keep_alive_);
    if (!head_) message.body() = body;
    message.content_length(body.size());
    if (status == 503) message.set(http::field::retry_after, "1");
    channel_.write(message);
  }

  void begin_stream(int status, std::string_view content_type) override {
    if (state_ != State::kOpen) return;
    state_ = State::kStreaming;
    // HTTP/1.0 knows no chunks: there the end of the connection is the end of the stream.
    if (version_ < 11) keep_alive_ = false;
    http::response<http::empty_body> message(static_cast<http::status>(status), version_);
    set_fields(message, content_type);
    message.set(http::field::cache_control, "no-cache");
    message.keep_alive(keep_alive_);
    if (version_ >= 11) message.chunked(true);
    http::response_serializer<http::empty_body> serializer(message);
    channel_.broken = channel_.broken || bool(channel_.run([&](auto& to, auto done) {
                        http::async_write_header(to, serializer, done);
                      }));
  }

  void send(std::string_view bytes) override {
    if (state_ != State::kStreaming || bytes.empty() || head_ || channel_.broken) return;
    const asio::const_buffer content(bytes.data(), bytes.size());
    if (version_ < 11) return channel_.write_bytes(content);
    channel_.broken = bool(channel_.run(
        [&](auto& to, auto done) { asio::async_write(to, http::make_chunk(content), done); }));
  }

  [[nodiscard]] bool client_gone() const override { return channel_.peer_gone(); }

  /// The handler is over. True when the connection may take another request.
  bool finish(bool handler_failed) {
    if (state_ == State::kOpen) respond(500, "text/plain", "internal error\n");
    if (state_ == State::kStreaming) {
      // A stream that broke off must not look complete, so it gets no last chunk.
      if (handler_failed) return false;
      if (version_ >= 11 && !head_ && !channel_.broken) {
        channel_.broken = bool(channel_.run(
            [&](auto& to, auto done) { asio::async_write(to, http::make_chunk_last(), done); }));
      }
    }
    return keep_alive_ && !channel_.broken;
  }

 private:
  enum class State { kOpen, kStreaming, kDone };

  template <typename Message>
  void set_fields(Message& message, std::string_view content_type) const {
    message.set(http::field::server, "rookery");
    message.set(http::field::content_type, content_type);
    message.set("X-Content-Type-Options", "nosniff");
    if (content_type.starts_with("text/html")) {
      // Pages of ours load their own files only, and run no script that stands in the text.
      message.set("Content-Security-Policy",
                  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
                  "connect-src 'self'; base-uri 'none'; form-action 'none'; "
                  "frame-ancestors 'none'");
      message.set("Referrer-Policy", "no-referrer");
    }
  }

  Channel& channel_;
  unsigned version_;
  bool keep_alive_;
  bool head_;
  State state_ = State::kOpen;
};

void refuse(Channel& channel, int status, const std::string& why) {
  Reply(channel, 11, false, false).respond(status, "text/plain", why + "\n");
  channel.close_politely();
}

/// Answers what could not be parsed; silent where nobody waits for an answer.
void answer_bad_request(Channel& channel, beast::error_code error,
                        const HttpServerOptions& options) {
  if (error == http::error::body_limit) {
    return refuse(channel, 413,
                  "the body is longer than " + std::to_string(options.body_bytes_max) + " bytes");
  }
  if (error == http::error::header_limit) return refuse(channel, 431, "the headers are too long");
  // After a time-out Beast has closed the socket already, and there is nobody to answer.
  const auto& parse_errors = beast::error_code(http::error::bad_method).category();
  if (error.category() == parse_errors && error != http::error::end_of_stream &&
      error != http::error::partial_message) {
    refuse(channel, 400, "not a valid HTTP request: " + error.message());
  }
}

/// One request and its answer. True when the connection may take another.
bool serve_request(Channel& channel, const HttpServerOptions& options, const HttpHandler& handler,
                   std::atomic<bool>& waiting) {
  http::request_parser<http::string_body> parser;
  parser.header_limit(kHeaderBytesMax);
  parser.body_limit(static_cast<std::uint64_t>(options.body_bytes_max));
  auto error = channel.run(
      [&](auto& from, auto done) { http::async_read_header(from, channel.buffer, parser, done); });
  channel.until.reset();
  waiting = false;
  if (!error && beast::iequals(parser.get()[http::field::expect], "100-continue")) {
    http::response<http::empty_body> go_on(http::status::continue_, parser.get().version());
    channel.write(go_on);
  }
  if (!error) {
    error = channel.run(
        [&](auto& from, auto done) { http::async_read(from, channel.buffer, parser, done); });
  }
  if (error) {
    answer_bad_request(channel, error, options);
    return false;
  }

  auto message = parser.release();
  HttpRequest request;
  request.method = std::string(message.method_string());
  const std::string target(message.target());
  const auto mark = target.find('?');
  request.path = target.substr(0, mark);
  if (mark != std::string::npos) request.query = target.substr(mark + 1);
  request.content_type = std::string(message[http::field::content_type]);
  request.authorization = std::string(message[http::field::authorization]);
  request.body = std::move(message.body());

  Reply reply(channel, message.version(), message.keep_alive(), request.method == "HEAD");
  bool failed = false;
  try {
    handler(request, reply);
  } catch (const std::exception& thrown) {
    failed = true;
    logger("base")->error("http: {} {} failed: {}", request.method, request.path, thrown.what());
  }
  return reply.finish(failed);
}

}  // namespace

void serve_connection(int descriptor, bool is_v6, const HttpServerOptions& options,
                      const HttpHandler& handler, const ConnectionState& state) {
  try {
    Channel channel(options.read_timeout);
    channel.stream.socket().assign(is_v6 ? asio::ip::tcp::v6() : asio::ip::tcp::v4(), descriptor);
    channel.stream.socket().set_option(asio::ip::tcp::no_delay(true));
    channel.until =
        std::chrono::steady_clock::now() + std::min(options.read_timeout, kFirstRequest);
    if (state.tls != nullptr && channel.shake_hands(*state.tls)) return;
    while (!state.stop && serve_request(channel, options, handler, state.waiting)) {
      state.waiting = true;
    }
    channel.say_goodbye();
  } catch (const std::exception& error) {
    logger("base")->warn("http: a connection was dropped: {}", error.what());
  }
}

}  // namespace rookery::base::detail
