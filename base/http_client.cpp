#include "base/detail/http_address.hpp"
#include "base/detail/tls_context.hpp"
#include "base/error.hpp"
#include "base/http_server.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>

#include <memory>
#include <optional>

namespace rookery::base {

namespace beast = boost::beast;
namespace http = beast::http;

namespace {

constexpr std::uint64_t kAnswerBytesMax = 256 << 20;

http::request<http::string_body> to_message(const std::string& address,
                                            const HttpRequest& request) {
  http::request<http::string_body> message;
  message.method_string(request.method.empty() ? "GET" : request.method);
  message.target((request.path.empty() ? "/" : request.path) +
                 (request.query.empty() ? "" : "?" + request.query));
  message.version(11);
  message.keep_alive(false);
  message.set(http::field::host, address);
  if (!request.content_type.empty()) message.set(http::field::content_type, request.content_type);
  if (!request.authorization.empty()) {
    message.set(http::field::authorization, request.authorization);
  }
  message.body() = request.body;
  message.prepare_payload();
  return message;
}

}  // namespace

HttpAnswer http_request(const std::string& address, const HttpRequest& request,
                        std::chrono::milliseconds timeout, const TlsFiles& tls) {
  const auto endpoint = detail::resolve_address(address);
  boost::asio::io_context context(1);
  beast::tcp_stream stream(context);
  stream.expires_after(timeout);  // one deadline for connecting, sending and receiving
  std::shared_ptr<boost::asio::ssl::context> secrets;
  std::optional<boost::asio::ssl::stream<beast::tcp_stream&>> secure;
  if (!tls.authority.empty()) {
    secrets = detail::client_context(tls);
    secure.emplace(stream, *secrets);
  }
  const auto over = [&](const auto& start) { secure ? start(*secure) : start(stream); };

  const auto message = to_message(address, request);
  beast::flat_buffer buffer;
  http::response_parser<http::string_body> parser;
  parser.body_limit(kAnswerBytesMax);
  if (request.method == "HEAD") parser.skip(true);

  beast::error_code error;
  const char* doing = "connect";
  const auto run = [&] {
    context.restart();
    context.run();
    if (!error) return;
    const auto reason = error == beast::error::timeout
                            ? "no answer within " + std::to_string(timeout.count()) + " ms"
                            : error.message();
    throw UserError(address + ": cannot " + doing + ": " + reason);
  };
  const auto keep_error = [&](beast::error_code code, auto&&...) { error = code; };
  stream.async_connect(endpoint, keep_error);
  run();
  if (secure) {
    doing = "agree on TLS";
    secure->async_handshake(boost::asio::ssl::stream_base::client, keep_error);
    run();
  }
  doing = "send the request";
  over([&](auto& to) { http::async_write(to, message, keep_error); });
  context.restart();
  context.run();
  // A server that refuses a long body answers and closes before it has read it all: the answer
  // says more than the broken pipe does.
  if (error == beast::error::timeout) run();
  doing = "read the answer";
  over([&](auto& from) { http::async_read(from, buffer, parser, keep_error); });
  run();

  const auto& answer = parser.get();
  return {static_cast<int>(answer.result_int()), std::string(answer[http::field::content_type]),
          answer.body()};
}

}  // namespace rookery::base
