#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <string>
#include <thread>
#include <utility>
#include <vector>
#include <zmq.hpp>

#include "retriever_pool/detail/sockets.hpp"
#include "retriever_pool/wire_bodies.hpp"

namespace rookery::retriever_pool::testing {

struct RawMessage {
  wire::Header header;
  std::string body;
};

/// A client without manners: sends any frames, reads what comes back.
class RawClient {
 public:
  explicit RawClient(const std::string& endpoint) : socket_(context_, zmq::socket_type::dealer) {
    socket_.set(zmq::sockopt::linger, 0);
    socket_.set(zmq::sockopt::rcvtimeo, 20000);  // met only by a failing test
    socket_.connect(endpoint);
  }
  void send(const std::vector<std::string>& frames) {
    for (std::size_t i = 0; i < frames.size(); ++i) {
      const bool last = i + 1 == frames.size();
      socket_.send(zmq::buffer(frames[i]), last ? zmq::send_flags::none : zmq::send_flags::sndmore);
    }
  }
  void send(wire::Header header, const std::string& body) {
    send({wire::encode_header(std::move(header), detail::bytes_of(body)), body});
  }
  RawMessage receive() {
    zmq::message_t head, body;
    if (!socket_.recv(head) || !socket_.recv(body)) {
      ADD_FAILURE() << "no answer came";
      return {};
    }
    RawMessage message{wire::decode_header(detail::bytes_of(head)), body.to_string()};
    wire::check_body(message.header, detail::bytes_of(message.body));
    return message;
  }
  wire::ErrorBody receive_error() {
    const RawMessage message = receive();
    EXPECT_EQ(message.header.type, wire::Type::kError);
    return wire::decode_error(detail::bytes_of(message.body));
  }

 private:
  zmq::context_t context_;
  zmq::socket_t socket_;
};

/// A replica that does what a test tells it: `answer` gets each message and returns the frames to
/// send back, any number of messages.
class ScriptedReplica {
 public:
  using Frames = std::vector<std::string>;
  using Script = std::function<std::vector<Frames>(const wire::Header&, const std::string& body)>;

  explicit ScriptedReplica(Script script)
      : script_(std::move(script)), socket_(context_, zmq::socket_type::router) {
    socket_.set(zmq::sockopt::linger, 0);
    socket_.bind("tcp://127.0.0.1:*");
    endpoint_ = socket_.get(zmq::sockopt::last_endpoint);
    thread_ = std::thread([this] { loop(); });
  }
  ~ScriptedReplica() {
    closing_ = true;
    bell_.ring();
    thread_.join();
  }
  [[nodiscard]] const std::string& endpoint() const { return endpoint_; }
  [[nodiscard]] int queries() const { return queries_; }

  static Frames message(wire::Header header, const std::string& body) {
    return {wire::encode_header(std::move(header), detail::bytes_of(body)), body};
  }

 private:
  void loop() {
    std::vector<zmq::pollitem_t> items = {{socket_.handle(), 0, ZMQ_POLLIN, 0},
                                          {nullptr, bell_.descriptor(), ZMQ_POLLIN, 0}};
    while (!closing_) {
      zmq::poll(items, std::chrono::milliseconds(-1));
      for (auto frames = detail::receive_waiting(socket_, 3); !frames.empty();
           frames = detail::receive_waiting(socket_, 3)) {
        const wire::Header header = wire::decode_header(detail::bytes_of(frames[1]));
        if (header.type == wire::Type::kQuery) ++queries_;
        for (const Frames& reply : script_(header, frames[2].to_string())) {
          socket_.send(zmq::buffer(frames[0].to_string()), zmq::send_flags::sndmore);
          for (std::size_t i = 0; i < reply.size(); ++i) {
            socket_.send(zmq::buffer(reply[i]),
                         i + 1 == reply.size() ? zmq::send_flags::none : zmq::send_flags::sndmore);
          }
        }
      }
    }
    socket_.close();
  }

  Script script_;
  std::atomic<bool> closing_ = false;
  std::atomic<int> queries_ = 0;
  detail::Doorbell bell_;
  zmq::context_t context_;
  zmq::socket_t socket_;
  std::string endpoint_;
  std::thread thread_;
};

}  // namespace rookery::retriever_pool::testing
