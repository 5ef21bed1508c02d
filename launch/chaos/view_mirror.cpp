#include "launch/chaos/view_mirror.hpp"

#include <atomic>
#include <map>
#include <mutex>
#include <span>
#include <thread>
#include <utility>
#include <vector>
#include <zmq.hpp>

#include "base/log.hpp"
#include "retriever_pool/view_server.hpp"
#include "retriever_pool/wire_bodies.hpp"

namespace rookery::launch {
namespace {

namespace wire = retriever_pool::wire;
using retriever_pool::RoutingView;

constexpr int kLookMs = 200;                  // between two looks at whether to stop
constexpr std::uint64_t kPollUs = 2'000'000;  // how long the head may hold a request
constexpr int kSilentLooks = 15;              // then the request is sent again

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

}  // namespace

struct ViewMirror::Impl {
  Impl(std::string head_endpoint, std::uint64_t random_seed)
      : head(std::move(head_endpoint)),
        seed(random_seed),
        server("tcp://127.0.0.1:*"),
        thread([this] { follow(); }) {}
  ~Impl() {
    closing = true;
    thread.join();
  }

  void follow() {
    zmq::context_t context;
    std::uint64_t serial = 0;
    while (!closing) {
      zmq::socket_t socket(context, zmq::socket_type::dealer);
      socket.set(zmq::sockopt::linger, 0);
      socket.set(zmq::sockopt::rcvtimeo, kLookMs);
      socket.connect(head);
      while (!closing) {
        const std::string body = wire::encode_view_request({known.term, known.epoch});
        wire::Header header;
        header.type = wire::Type::kViewRequest;
        header.request = {0, ++serial};
        header.remaining_us = kPollUs;
        const std::string frame = wire::encode_header(header, bytes_of(body));
        socket.send(zmq::buffer(frame), zmq::send_flags::sndmore);
        socket.send(zmq::buffer(body), zmq::send_flags::none);
        if (!receive(socket)) break;  // a fresh socket finds a fresh head
      }
    }
  }

  bool receive(zmq::socket_t& socket) {
    for (int look = 0; look < kSilentLooks && !closing; ++look) {
      zmq::message_t first, second;
      if (!socket.recv(first) || !socket.recv(second)) continue;
      if (second.empty()) return true;
      try {
        apply(RoutingView::from_json(second.to_string()));
      } catch (const std::exception& error) {
        base::logger("launch")->warn("mirror: {}", error.what());
      }
      return true;
    }
    return false;
  }

  void apply(RoutingView view) {
    if (known.term != 0 && !view.newer_than(known)) return;
    known = view;
    const std::lock_guard lock(mutex);
    std::map<std::string, std::unique_ptr<FaultProxy>> kept;  // by real endpoint
    for (auto& member : view.members) {
      if (member.endpoint.empty()) continue;
      auto& proxy = kept[member.endpoint];
      if (const auto old = proxies.find(member.endpoint); old != proxies.end()) {
        proxy = std::move(old->second);
        proxies.erase(old);
      } else {
        proxy = std::make_unique<FaultProxy>(member.endpoint, seed + ++made);
        proxy->set(faults_of(member.node));
      }
      nodes[member.endpoint] = member.node;
      member.endpoint = "tcp://" + proxy->address();
    }
    server.publish(view);
    for (const auto& [endpoint, proxy] : proxies) {
      add(gone, proxy->counts());
      nodes.erase(endpoint);
    }
    proxies = std::move(kept);  // links of nodes that left end here
  }

  [[nodiscard]] ProxyFaults faults_of(const std::string& node) const {
    const auto found = faults.find(node);
    return found == faults.end() ? common : found->second;
  }

  static void add(ProxyCounts& sum, const ProxyCounts& more) {
    sum.connections += more.connections;
    sum.resets += more.resets;
    sum.bytes_to_server += more.bytes_to_server;
    sum.bytes_to_client += more.bytes_to_client;
    sum.damaged += more.damaged;
  }

  std::string head;
  std::uint64_t seed, made = 0;
  RoutingView known;  // of the thread
  mutable std::mutex mutex;
  std::map<std::string, std::unique_ptr<FaultProxy>> proxies;
  std::map<std::string, std::string> nodes;  // real endpoint -> name
  std::map<std::string, ProxyFaults> faults;
  ProxyFaults common;
  ProxyCounts gone;
  retriever_pool::ViewServer server;
  std::atomic<bool> closing = false;
  std::thread thread;
};

ViewMirror::ViewMirror(std::string head, std::uint64_t seed)
    : impl_(std::make_unique<Impl>(std::move(head), seed)) {}
ViewMirror::~ViewMirror() = default;
std::string ViewMirror::endpoint() const { return impl_->server.endpoint(); }
void ViewMirror::set(const std::string& node, const ProxyFaults& faults) {
  const std::lock_guard lock(impl_->mutex);
  impl_->faults[node] = faults;
  for (const auto& [endpoint, proxy] : impl_->proxies) {
    if (impl_->nodes[endpoint] == node) proxy->set(faults);
  }
}
void ViewMirror::set_all(const ProxyFaults& faults) {
  const std::lock_guard lock(impl_->mutex);
  impl_->faults.clear();
  impl_->common = faults;
  for (const auto& [endpoint, proxy] : impl_->proxies) proxy->set(faults);
}
void ViewMirror::reset_all() {
  const std::lock_guard lock(impl_->mutex);
  for (const auto& [endpoint, proxy] : impl_->proxies) proxy->reset_all();
}
void ViewMirror::reset(const std::string& node) {
  const std::lock_guard lock(impl_->mutex);
  for (const auto& [endpoint, proxy] : impl_->proxies) {
    if (impl_->nodes[endpoint] == node) proxy->reset_all();
  }
}
ProxyCounts ViewMirror::counts() const {
  const std::lock_guard lock(impl_->mutex);
  ProxyCounts sum = impl_->gone;
  for (const auto& [endpoint, proxy] : impl_->proxies) Impl::add(sum, proxy->counts());
  return sum;
}

}  // namespace rookery::launch
