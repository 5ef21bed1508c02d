#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace rookery::launch {

/// What happens to the bytes of one direction. The defaults do nothing.
struct FlowFaults {
  std::chrono::milliseconds delay{0};
  std::chrono::milliseconds jitter{
      0};                        ///< each piece comes up to so much sooner or later; in order
  std::int64_t bytes_per_s = 0;  ///< 0: no limit
  /// Share of segments (1,448 bytes or less) that TCP must send again. They and what follows come
  /// `retransmit` later, or, where a later segment shows the gap, 1.25 round trips after that one.
  double loss = 0;
  std::chrono::milliseconds retransmit{200};
  bool held = false;       ///< a partition: nothing passes, nothing is lost; it goes on when healed
  bool swallowed = false;  ///< a black hole: bytes are taken and vanish
  double corruption = 0;   ///< chance of one flipped bit in a segment
  double duplication = 0;  ///< chance that a segment comes twice, which breaks the stream
  /// After so many bytes (counted from when this was set) the connection is cut in mid-frame.
  std::optional<std::int64_t> cut_after = {};
  bool half_close = false;  ///< with `cut_after`: only this direction ends, with FIN; else RST
};

struct ProxyFaults {
  FlowFaults to_server = {}, to_client = {};
  std::chrono::milliseconds accept_delay{0};  ///< until a connection is passed on
  bool refuse = false;                        ///< new connections are reset at once
};

struct ProxyCounts {
  std::int64_t connections = 0;                           ///< taken so far
  std::int64_t resets = 0;                                ///< by us, half-closes too
  std::int64_t bytes_to_server = 0, bytes_to_client = 0;  ///< sent on
  std::int64_t damaged = 0;                               ///< pieces with a flip, twice, swallowed
};

/// A TCP proxy on loopback that misbehaves on demand, on a thread of its own. Random choices come
/// from the seed. Any thread may call.
class FaultProxy {
 public:
  /// `target` is "HOST:PORT" or "tcp://HOST:PORT", IPv4. Throws `UserError` when no port can be
  /// had or the target is no address.
  FaultProxy(const std::string& target, std::uint64_t seed);
  ~FaultProxy();                              ///< Closes all connections.
  [[nodiscard]] std::string address() const;  ///< "127.0.0.1:41234"
  [[nodiscard]] const std::string& target() const;
  void set(const ProxyFaults& faults);  ///< Returns when it holds for all bytes that come.
  void heal() { set({}); }
  void reset_all();  ///< RST on every connection, both sides.
  [[nodiscard]] ProxyCounts counts() const;
  [[nodiscard]] std::int64_t open_connections() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace rookery::launch
