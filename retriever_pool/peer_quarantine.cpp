#include "retriever_pool/peer_quarantine.hpp"

#include <algorithm>

namespace rookery::retriever_pool {

bool PeerQuarantine::offence(const std::string& name, Time now) {
  if (!peers_.contains(name)) make_room(now);
  Peer& peer = peers_[name];
  if (now < peer.until) return false;
  if (peer.offences == 0 || now - peer.since >= kWindow) {
    peer.offences = 0;
    peer.since = now;
  }
  peer.last = now;
  if (++peer.offences <= kOffencesMax) return false;
  peer.offences = 0;
  peer.until = now + kQuarantine;
  return true;
}

bool PeerQuarantine::holds(const std::string& name, Time now) const {
  const auto found = peers_.find(name);
  return found != peers_.end() && now < found->second.until;
}

void PeerQuarantine::make_room(Time now) {
  if (peers_.size() < kPeersMax) return;
  std::erase_if(peers_, [&](const auto& entry) {
    return now >= entry.second.until && now - entry.second.last >= kWindow;
  });
  if (peers_.size() < kPeersMax) return;
  peers_.erase(std::min_element(peers_.begin(), peers_.end(), [](const auto& a, const auto& b) {
    return std::max(a.second.last, a.second.until) < std::max(b.second.last, b.second.until);
  }));
}

}  // namespace rookery::retriever_pool
