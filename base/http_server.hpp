#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace rookery::base {

struct HttpRequest {
  std::string method;  ///< "GET", "POST"
  std::string path;    ///< without the query string
  std::string query;   ///< behind `?`, as it came
  std::string content_type;
  std::string body;
  std::string authorization = {};  ///< the header of that name, as it came
};

/// What a handler answers through. Either `respond` once, or `begin_stream`, any number of `send`s,
/// and the end of the handler. All return or throw nothing when the client has gone; ask
/// `client_gone`.
class HttpReply {
 public:
  virtual ~HttpReply() = default;
  virtual void respond(int status, std::string_view content_type, std::string_view body) = 0;
  /// Chunked transfer, for server-sent events (`text/event-stream`).
  virtual void begin_stream(int status, std::string_view content_type) = 0;
  virtual void send(std::string_view bytes) = 0;
  [[nodiscard]] virtual bool client_gone() const = 0;
};

using HttpHandler = std::function<void(const HttpRequest&, HttpReply&)>;

/// PEM files of one side of a TLS connection.
struct TlsFiles {
  std::filesystem::path certificate, key;  ///< ours
  std::filesystem::path authority;         ///< that signed the other side's certificate
  [[nodiscard]] bool empty() const { return certificate.empty(); }
};

struct HttpServerOptions {
  std::string listen = "127.0.0.1:0";     ///< host:port, port 0 takes a free one
  std::int64_t body_bytes_max = 1 << 20;  ///< longer bodies get 413
  std::int32_t connections_max = 64;      ///< further ones get 503 at once
  std::chrono::milliseconds read_timeout{
      10'000};        ///< for headers and body, then the connection is closed
  TlsFiles tls = {};  ///< empty: plain HTTP
};

/// The one HTTP/1.1 server (Boost.Beast): a thread a connection, keep-alive, bounded. Handlers run
/// on the connection's thread; an exception in one becomes a 500 and a log line.
class HttpServer {
 public:
  /// Throws `UserError` when the address is invalid or in use, naming it.
  HttpServer(HttpServerOptions options, HttpHandler handler);
  ~HttpServer();  ///< Stops accepting, closes connections, joins.
  [[nodiscard]] std::uint16_t port() const;
  [[nodiscard]] std::string address() const;  ///< "127.0.0.1:8080"

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// A blocking HTTP/1.1 client for our own servers and tests.
struct HttpAnswer {
  int status = 0;
  std::string content_type;
  std::string body;
};
/// Throws `UserError` when the server cannot be reached or does not answer in time.
HttpAnswer http_request(const std::string& address, const HttpRequest& request,
                        std::chrono::milliseconds timeout, const TlsFiles& tls = {});

}  // namespace rookery::base
