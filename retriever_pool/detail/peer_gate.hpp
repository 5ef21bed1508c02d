#pragma once

#include <memory>
#include <string>
#include <vector>
#include <zmq.hpp>

#include "retriever_pool/curve_keys.hpp"

namespace rookery::base {
class Metrics;
}

namespace rookery::retriever_pool::detail {

/// Who may speak to one ROUTER: with keys, its CURVE side and the ZAP handler of its context with
/// the allow-list; always, the quarantine of peers that send malformed messages, and the count of
/// those whose handshake failed (`rookery_peers_refused_total` by reason, logged once a peer and
/// minute). A key that is withdrawn counts for open connections too.
class PeerGate {
 public:
  /// One a context, made before the socket is bound and gone before the context is. `who` stands in
  /// logs; `metrics` (may be null) outlives the gate. Throws `UserError` when the allow-list cannot
  /// be read.
  PeerGate(zmq::context_t& context, const CurveServerKeys& keys, base::Metrics* metrics,
           std::string who);
  ~PeerGate();
  PeerGate(const PeerGate&) = delete;
  PeerGate& operator=(const PeerGate&) = delete;

  /// Before `bind`.
  void guard(zmq::socket_t& router);
  /// Of the router's thread: false for a message to drop unread, because its sender's key was
  /// withdrawn or the sender is in quarantine. `frames` begin with the routing id.
  [[nodiscard]] bool admits(const std::vector<zmq::message_t>& frames);
  /// Of the router's thread: the message was malformed.
  void offence(const std::vector<zmq::message_t>& frames);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace rookery::retriever_pool::detail
