#include "base/http_server.hpp"
#include "tests/support/error_text.hpp"
#include "tests/support/eventually.hpp"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <future>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace rookery::base {
namespace {

using ::testing::EndsWith;
using testing::error_text;
using testing::eventually;
using ::testing::HasSubstr;

constexpr std::chrono::seconds kPatience{20};

/// A plain socket, to send what no proper client would.
class RawClient {
 public:
  explicit RawClient(const HttpServer& server) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(server.port());
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const timeval patience{20, 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    EXPECT_EQ(::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  }
  ~RawClient() { ::close(socket_); }
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  void send(const std::string& text) const {
    (void)::send(socket_, text.data(), text.size(), MSG_NOSIGNAL);
  }
  /// What came until `end` was seen, or until the server closed where `end` is empty.
  std::string receive(const std::string& end = "") const {
    std::string text;
    std::array<char, 4096> block{};
    while (end.empty() || text.find(end) == std::string::npos) {
      const auto got = ::recv(socket_, block.data(), block.size(), 0);
      if (got <= 0) break;
      text.append(block.data(), static_cast<std::size_t>(got));
    }
    return text;
  }

 private:
  int socket_;
};

void echo(const HttpRequest& request, HttpReply& reply) {
  reply.respond(200, "text/plain",
                request.method + " " + request.path + " ?" + request.query + " " +
                    request.content_type + " " + request.body);
}

TEST(HttpServerTest, HandsTheRequestOverAndTheAnswerBack) {
  const HttpServer server({}, echo);
  const auto answer =
      http_request(server.address(),
                   {"POST", "/v1/completions", "a=1&b=2", "application/json", "{}"}, kPatience);
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.content_type, "text/plain");
  EXPECT_EQ(answer.body, "POST /v1/completions ?a=1&b=2 application/json {}");
}

TEST(HttpServerTest, KeepsAConnectionForFurtherRequests) {
  const HttpServer server({}, echo);
  const RawClient client(server);
  for (int i = 0; i < 3; ++i) {
    client.send("GET /" + std::to_string(i) + " HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_THAT(client.receive("GET /"), HasSubstr("200 OK"));
  }
  client.send("GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(client.receive(), HasSubstr("GET /last"));
}

TEST(HttpServerTest, StreamsInChunks) {
  const HttpServer server({}, [](const HttpRequest&, HttpReply& reply) {
    reply.begin_stream(200, "text/event-stream");
    reply.send("data: one\n\n");
    reply.send("");
    reply.send("data: two\n\n");
  });
  const auto answer = http_request(server.address(), {"GET", "/", "", "", ""}, kPatience);
  EXPECT_EQ(answer.content_type, "text/event-stream");
  EXPECT_EQ(answer.body, "data: one\n\ndata: two\n\n");

  const RawClient old_client(server);
  old_client.send("GET / HTTP/1.0\r\n\r\n");
  const auto text = old_client.receive();
  EXPECT_THAT(text, EndsWith("\r\n\r\ndata: one\n\ndata: two\n\n"));
  EXPECT_EQ(text.find("chunked"), std::string::npos);
}

TEST(HttpServerTest, SendsAStreamPieceByPiece) {
  std::promise<void> go_on;
  const auto waiting = go_on.get_future().share();
  const HttpServer server({}, [&](const HttpRequest&, HttpReply& reply) {
    reply.begin_stream(200, "text/event-stream");
    reply.send("first");
    waiting.wait();
    reply.send("second");
  });
  const RawClient client(server);
  client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_THAT(client.receive("first"), HasSubstr("first"));
  go_on.set_value();
  EXPECT_THAT(client.receive("0\r\n\r\n"), HasSubstr("second"));
}

TEST(HttpServerTest, TellsTheHandlerThatTheClientHasGone) {
  std::promise<bool> gone;
  const HttpServer server({}, [&](const HttpRequest&, HttpReply& reply) {
    reply.begin_stream(200, "text/plain");
    reply.send("x");
    gone.set_value(eventually([&] { return reply.client_gone(); }));
    reply.send("nobody reads this");
  });
  {
    const RawClient client(server);
    client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    client.receive("x\r\n");
  }
  EXPECT_TRUE(gone.get_future().get());
}

TEST(HttpServerTest, AnswersHeadWithoutABody) {
  const HttpServer server({}, echo);
  const RawClient client(server);
  client.send("HEAD /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  const auto text = client.receive();
  EXPECT_THAT(text, HasSubstr("Content-Length: 11\r\n"));
  EXPECT_THAT(text, EndsWith("\r\n\r\n"));
}

TEST(HttpServerTest, SaysGoOnToAClientThatAsks) {
  const HttpServer server({}, echo);
  const RawClient client(server);
  client.send(
      "POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nExpect: 100-continue\r\n"
      "Connection: close\r\n\r\n");
  EXPECT_THAT(client.receive("\r\n\r\n"), HasSubstr("100 Continue"));
  client.send("body");
  EXPECT_THAT(client.receive(), EndsWith("body"));
}

TEST(HttpServerTest, RefusesALongBodyAndSaysTheLimit) {
  HttpServerOptions options;
  options.body_bytes_max = 1000;
  std::atomic<int> handled{0};
  const HttpServer server(options, [&](const HttpRequest& request, HttpReply& reply) {
    ++handled;
    echo(request, reply);
  });
  const auto post = [&](std::size_t bytes) {
    return http_request(server.address(), {"POST", "/", "", "", std::string(bytes, 'x')},
                        kPatience);
  };
  EXPECT_EQ(post(1000).status, 200);
  const auto refused = post(1'000'000);
  EXPECT_EQ(refused.status, 413);
  EXPECT_EQ(refused.body, "the body is longer than 1000 bytes\n");

  const RawClient chunked(server);
  chunked.send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
  for (int i = 0; i < 20; ++i) chunked.send("64\r\n" + std::string(100, 'x') + "\r\n");
  EXPECT_THAT(chunked.receive("\r\n"), HasSubstr("413"));
  EXPECT_EQ(handled, 1);
}

TEST(HttpServerTest, RefusesBadRequests) {
  const HttpServer server({}, echo);
  const auto answer_to = [&](const std::string& request) {
    const RawClient client(server);
    client.send(request);
    return client.receive("\r\n");
  };
  EXPECT_THAT(answer_to("nonsense\r\n\r\n"), HasSubstr(" 400 "));
  EXPECT_THAT(answer_to("GET / HTTP/9.9\r\n\r\n"), HasSubstr(" 400 "));
  EXPECT_THAT(answer_to("POST / HTTP/1.1\r\nContent-Length: many\r\n\r\n"), HasSubstr(" 400 "));
  EXPECT_THAT(answer_to("POST / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n"),
              HasSubstr(" 400 "));
  EXPECT_THAT(answer_to("GET / HTTP/1.1\r\nX: " + std::string(100'000, 'x') + "\r\n\r\n"),
              HasSubstr(" 431 "));
  EXPECT_THAT(answer_to("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), HasSubstr(" 200 "));
}

TEST(HttpServerTest, EndsConnectionsThatSendTooSlowly) {
  HttpServerOptions options;
  options.read_timeout = std::chrono::milliseconds(100);
  const HttpServer server(options, echo);
  const RawClient half(server);
  half.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf");
  EXPECT_EQ(half.receive(), "");
  const RawClient silent(server);
  EXPECT_EQ(silent.receive(), "");
}

TEST(HttpServerTest, RefusesConnectionsOverTheLimitAndRecovers) {
  HttpServerOptions options;
  options.connections_max = 2;
  std::promise<void> end;
  const std::shared_future<void> ended(end.get_future());
  std::atomic<int> busy = 0;
  const HttpServer server(options, [&](const HttpRequest& request, HttpReply& reply) {
    ++busy;
    if (request.path == "/busy") ended.wait();
    reply.respond(200, "text/plain", "done");
  });
  {
    std::vector<std::unique_ptr<RawClient>> held;
    for (int i = 0; i < 2; ++i) {
      held.push_back(std::make_unique<RawClient>(server));
      held.back()->send("GET /busy HTTP/1.1\r\nHost: x\r\n\r\n");
    }
    EXPECT_TRUE(eventually([&] { return busy == 2; }));
    const auto refused = http_request(server.address(), {"GET", "/", "", "", ""}, kPatience);
    EXPECT_EQ(refused.status, 503);
    EXPECT_EQ(refused.body, "too many connections\n");
    end.set_value();
  }
  EXPECT_TRUE(eventually([&] {
    return http_request(server.address(), {"GET", "/", "", "", ""}, kPatience).status == 200;
  }));
}

TEST(HttpServerTest, MakesRoomByClosingWhoeverAsksNothing) {
  HttpServerOptions options;
  options.connections_max = 2;
  const HttpServer server(options, echo);
  const RawClient first(server), second(server), third(server);

  EXPECT_EQ(http_request(server.address(), {"GET", "/", "", "", ""}, kPatience).status, 200);
  EXPECT_EQ(first.receive(), "");
}

TEST(HttpServerTest, AnExceptionInAHandlerIsA500) {
  const HttpServer server({}, [](const HttpRequest& request, HttpReply& reply) {
    if (request.path == "/stream") {
      reply.begin_stream(200, "text/plain");
      reply.send("half");
    }
    if (request.path != "/silent") throw std::runtime_error("broken");
  });
  EXPECT_EQ(http_request(server.address(), {"GET", "/", "", "", ""}, kPatience).status, 500);
  EXPECT_EQ(http_request(server.address(), {"GET", "/silent", "", "", ""}, kPatience).status, 500);
  // A stream that broke off must not look whole.
  EXPECT_THAT(error_text([&] {
                http_request(server.address(), {"GET", "/stream", "", "", ""}, kPatience);
              }),
              HasSubstr("cannot read the answer"));
}

TEST(HttpServerTest, AnswersManyClientsAtOnce) {
  HttpServerOptions options;
  options.connections_max = 16;
  const HttpServer server(options, echo);
  std::atomic<int> right{0};
  std::vector<std::thread> clients;
  for (int client = 0; client < 8; ++client) {
    clients.emplace_back([&, client] {
      for (int i = 0; i < 20; ++i) {
        const auto body = std::to_string(client * 100 + i);
        const auto answer =
            http_request(server.address(), {"POST", "/p", "", "t", body}, kPatience);
        if (answer.status == 200 && answer.body == "POST /p ? t " + body) ++right;
      }
    });
  }
  for (auto& client : clients) client.join();
  EXPECT_EQ(right, 8 * 20);
}

TEST(HttpServerTest, StopsWhileClientsAreConnected) {
  std::promise<void> entered;
  auto server =
      std::make_unique<HttpServer>(HttpServerOptions{}, [&](const HttpRequest&, HttpReply& reply) {
        entered.set_value();
        EXPECT_TRUE(eventually([&] { return reply.client_gone(); }));
      });
  const RawClient idle(*server);
  const RawClient busy(*server);
  busy.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  entered.get_future().wait();
  server.reset();
  EXPECT_EQ(idle.receive(), "");
}

TEST(HttpServerTest, NamesAnAddressThatItCannotListenOn) {
  const HttpServer first({}, echo);
  HttpServerOptions options;
  options.listen = first.address();
  EXPECT_EQ(error_text([&] { HttpServer second(options, echo); }),
            "cannot listen on " + first.address() +
                ": Address already in use; choose another port, or 0 for a free one");
  for (const auto* listen : {"8080", "127.0.0.1:", "127.0.0.1:99999", "::1:80", ":80", "h:8x"}) {
    options.listen = listen;
    EXPECT_EQ(error_text([&] { HttpServer second(options, echo); }),
              std::string("expected an address host:port, got '") + listen + "'");
  }
}

TEST(HttpRequestTest, SaysThatAServerCannotBeReachedOrIsSilent) {
  std::string address;
  {
    const HttpServer server({}, echo);
    address = server.address();
  }
  EXPECT_EQ(error_text([&] {
              http_request(address, {"GET", "/", "", "", ""}, kPatience);
            }),
            address + ": cannot connect: Connection refused");

  std::promise<void> end;
  const HttpServer silent({}, [&](const HttpRequest&, HttpReply&) { end.get_future().wait(); });
  EXPECT_EQ(
      error_text([&] {
        http_request(silent.address(), {"GET", "/", "", "", ""}, std::chrono::milliseconds(500));
      }),
      silent.address() + ": cannot read the answer: no answer within 500 ms");
  end.set_value();
}

}  // namespace
}  // namespace rookery::base
