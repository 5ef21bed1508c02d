#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <string>

namespace rookery::retriever_pool {

/// Peers that keep sending what is no message of ours are ignored for a while, so that answering
/// them costs the others nothing. Pure: the caller brings the clock. Not for several threads.
/// Spec: retrieval-and-reliability.md 5.3, F18.
class PeerQuarantine {
 public:
  using Time = std::chrono::steady_clock::time_point;
  static constexpr int kOffencesMax = 16;  ///< within `kWindow`; the next one is one too many
  static constexpr std::chrono::seconds kWindow{10}, kQuarantine{10};
  static constexpr std::size_t kPeersMax = 1024;  ///< remembered; the one longest quiet goes first

  /// A malformed message came. True when the quarantine begins with it.
  bool offence(const std::string& peer, Time now);
  /// Whether messages of this peer are to be dropped unread.
  [[nodiscard]] bool holds(const std::string& peer, Time now) const;
  /// No peer has offended yet, or all have been forgotten: nothing needs to be looked up.
  [[nodiscard]] bool empty() const { return peers_.empty(); }

 private:
  struct Peer {
    int offences = 0;
    Time since{}, last{}, until{};
  };
  void make_room(Time now);
  std::map<std::string, Peer> peers_;
};

}  // namespace rookery::retriever_pool
