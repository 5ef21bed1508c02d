#include "retriever_pool/detail/peer_gate.hpp"

#include <prometheus/counter.h>
#include <prometheus/registry.h>
#include <zmq.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/metrics.hpp"
#include "retriever_pool/allow_list.hpp"
#include "retriever_pool/detail/sockets.hpp"
#include "retriever_pool/peer_quarantine.hpp"

namespace rookery::retriever_pool::detail {
namespace {

using Clock = std::chrono::steady_clock;

constexpr const char* kZapEndpoint = "inproc://zeromq.zap.01";
constexpr std::size_t kLoggedMax = 256;  // peers whose last line is remembered
constexpr auto kLogEvery = std::chrono::minutes(1);
constexpr int kFailures = ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL |
                          ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH |
                          ZMQ_EVENT_ACCEPT_FAILED;

std::string z85_of(const zmq::message_t& key) {
  char text[41] = {};
  if (key.size() != 32) return "";
  return zmq_z85_encode(text, key.data<std::uint8_t>(), key.size()) != nullptr ? text : "";
}

/// A property of the connection that a message came over; empty when it has none.
std::string property(const zmq::message_t& frame, const char* name) {
  // The library takes no pointer to const, but only reads.
  const char* const value =
      zmq_msg_gets(const_cast<zmq::message_t&>(frame).handle(), name);  // NOLINT
  return value != nullptr ? value : "";
}

}  // namespace

struct PeerGate::Impl {
  Impl(zmq::context_t& of_context, const CurveServerKeys& server_keys, base::Metrics* metrics,
       std::string name)
      : context(of_context), keys(server_keys), who(std::move(name)) {
    if (metrics != nullptr) {
      refusals = &prometheus::BuildCounter()
                      .Name("rookery_peers_refused_total")
                      .Help("Connections and messages refused for who sent them, by reason.")
                      .Register(metrics->registry());
    }
    if (keys.empty()) return;
    if (!is_curve_key(keys.secret_key) || !is_curve_key(keys.public_key)) {
      throw base::UserError(who + ": expected CURVE keys of 40 characters, got something else");
    }
    allowed.emplace(keys.allowed, keys.public_key);
    zap.emplace(context, zmq::socket_type::rep);
    zap->set(zmq::sockopt::linger, 0);
    zap->bind(kZapEndpoint);
  }

  ~Impl() {
    closing = true;
    bell.ring();
    if (thread.joinable()) thread.join();
  }

  void guard(zmq::socket_t& router) {
    if (!keys.empty()) {
      router.set(zmq::sockopt::curve_server, true);
      router.set(zmq::sockopt::curve_publickey, keys.public_key);
      router.set(zmq::sockopt::curve_secretkey, keys.secret_key);
      router.set(zmq::sockopt::zap_domain, std::string("rookery"));
    }
    static std::atomic<std::uint64_t> next{0};
    const std::string name = "inproc://rookery-gate-" + std::to_string(next.fetch_add(1));
    if (zmq_socket_monitor(router.handle(), name.c_str(), kFailures) != 0) throw zmq::error_t();
    monitor.emplace(context, zmq::socket_type::pair);
    monitor->set(zmq::sockopt::linger, 0);
    monitor->connect(name);
    thread = std::thread([this] { loop(); });
  }

  // --- the gate's own thread: handshakes ---

  void loop() {
    std::vector<zmq::pollitem_t> items = {{nullptr, bell.descriptor(), ZMQ_POLLIN, 0},
                                          {monitor->handle(), 0, ZMQ_POLLIN, 0}};
    if (zap) items.push_back({zap->handle(), 0, ZMQ_POLLIN, 0});
    while (!closing) {
      zmq::poll(items, std::chrono::milliseconds(-1));
      bell.clear();
      while (take_event()) {
      }
      while (zap && answer_handshake()) {
      }
    }
    monitor->close();
    if (zap) zap->close();
  }

  /// ZAP (RFC 27): version, request id, domain, address, identity, mechanism, credentials.
  bool answer_handshake() {
    const auto frames = receive_waiting(*zap, 12);
    if (frames.empty()) return false;
    const auto answer = [&](const char* code, const char* text, const std::string& user) {
      const std::string id = frames.size() > 1 ? frames[1].to_string() : "";
      for (const std::string& part :
           {std::string("1.0"), id, std::string(code), std::string(text), user}) {
        zap->send(zmq::buffer(part), zmq::send_flags::sndmore);
      }
      zap->send(zmq::str_buffer(""), zmq::send_flags::none);
    };
    const bool curve =
        frames.size() == 7 && frames[0].to_string() == "1.0" && frames[5].to_string() == "CURVE";
    const std::string key = curve ? z85_of(frames[6]) : "";
    if (!key.empty() && allowed->allows(key)) {
      answer("200", "OK", key);
      return true;
    }
    const std::string address = frames.size() > 3 ? frames[3].to_string() : "?";
    refuse("unknown_key", address,
           "its key " + (key.empty() ? "is none of ours" : key) + " is not in " +
               keys.allowed.string());
    answer("400", "this key is not allowed here", "");
    return true;
  }

  bool take_event() {
    const auto frames = receive_waiting(*monitor, 2);
    if (frames.empty()) return false;
    std::uint16_t event = 0;
    if (frames[0].size() < sizeof event) return true;
    std::memcpy(&event, frames[0].data(), sizeof event);
    if (event == ZMQ_EVENT_ACCEPT_FAILED) {
      refuse("accept_failed", "anybody", "no connection could be accepted: out of descriptors?");
    } else if (event == ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL) {
      refuse("bad_handshake", "a peer",
             keys.empty() ? "it speaks another protocol, or uses keys where there are none"
                          : "it speaks another protocol, uses no keys, or another server's");
    } else if (event == ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL) {
      refuse("no_handshake", "a peer", "it went away before the handshake was over");
    }  // failed authentication is counted where it is judged
    return true;
  }

  // --- any thread ---

  void refuse(const char* reason, const std::string& peer, const std::string& why) {
    if (refusals != nullptr) refusals->Add({{"reason", reason}}).Increment();
    const auto now = Clock::now();
    const std::lock_guard lock(mutex);
    const auto found = logged.find(peer + reason);
    if (found != logged.end() && now - found->second < kLogEvery) return;
    if (logged.size() >= kLoggedMax) {
      std::erase_if(logged, [&](const auto& entry) { return now - entry.second >= kLogEvery; });
      if (logged.size() >= kLoggedMax) return;
    }
    logged[peer + reason] = now;
    base::logger("retriever_pool")->warn("{}: {} was refused: {}", who, peer, why);
  }

  zmq::context_t& context;
  CurveServerKeys keys;
  std::string who;
  prometheus::Family<prometheus::Counter>* refusals = nullptr;
  std::optional<AllowList> allowed;
  std::optional<zmq::socket_t> zap, monitor;  // of the gate's thread once it runs
  Doorbell bell;
  std::atomic<bool> closing = false;
  std::mutex mutex;  // guards logged
  std::map<std::string, Clock::time_point> logged;
  PeerQuarantine quarantine;  // of the router's thread
  std::thread thread;
};

PeerGate::PeerGate(zmq::context_t& context, const CurveServerKeys& keys, base::Metrics* metrics,
                   std::string who)
    : impl_(std::make_unique<Impl>(context, keys, metrics, std::move(who))) {}
PeerGate::~PeerGate() = default;

void PeerGate::guard(zmq::socket_t& router) { impl_->guard(router); }

bool PeerGate::admits(const std::vector<zmq::message_t>& frames) {
  if (frames.empty()) return false;
  if (impl_->allowed) {
    const std::string user = property(frames.back(), "User-Id");
    if (!impl_->allowed->allows(user)) {
      impl_->refuse("withdrawn_key", property(frames.back(), "Peer-Address"),
                    "its key " + user + " was withdrawn");
      return false;
    }
  }
  if (impl_->quarantine.empty()) return true;
  if (!impl_->quarantine.holds(frames[0].to_string(), Clock::now())) return true;
  if (impl_->refusals != nullptr) impl_->refusals->Add({{"reason", "quarantined"}}).Increment();
  return false;
}

void PeerGate::offence(const std::vector<zmq::message_t>& frames) {
  if (frames.empty()) return;
  if (impl_->refusals != nullptr) impl_->refusals->Add({{"reason", "malformed"}}).Increment();
  if (impl_->quarantine.offence(frames[0].to_string(), Clock::now())) {
    impl_->refuse("quarantine", property(frames.back(), "Peer-Address"),
                  "it sent too many malformed messages and is ignored for 10 s");
  }
}

}  // namespace rookery::retriever_pool::detail
