#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <zmq.hpp>

#include "retriever_pool/detail/link.hpp"
#include "retriever_pool/detail/sockets.hpp"
#include "retriever_pool/retriever.hpp"
#include "retriever_pool/wire.hpp"

namespace rookery::retriever_pool::detail {

/// A client's leases: takes them from the head and renews them every third of their time, over a
/// connection and on a thread of its own, which begin with the first lease. A head that is away is
/// asked again when it is back; a new head learns of every lease by its renewal.
class LeaseKeeper : public std::enable_shared_from_this<LeaseKeeper> {
 public:
  explicit LeaseKeeper(PoolClientOptions options);
  ~LeaseKeeper();
  /// Waits at most `timeout` for the head's word. Throws `RetrievalError`: kUnavailable when the
  /// generation is served no more or no head answers, else what the head says.
  std::unique_ptr<GenerationLease> take(const std::string& generation,
                                        std::chrono::milliseconds timeout);
  /// Ends the thread; leases that are still held are not renewed any more.
  void close();

 private:
  class Lease;
  using Time = std::chrono::steady_clock::time_point;
  struct Held {
    std::string generation;
    Time next{};           // when it is asked for again
    bool granted = false;  // by the first answer
    bool ended = false;    // by the holder
    std::optional<RetrievalError> refusal;
  };
  void run();
  void send_due(Link& link, Time now, bool connected);
  bool send(Link& link, std::uint64_t id, const Held& held);
  void read(Link& link, Time now);
  void take_answer(const wire::Header& header, const zmq::message_t& body, Time now);
  [[nodiscard]] std::chrono::milliseconds next_wait(Time now) const;
  void end(std::uint64_t id);

  PoolClientOptions options_;
  std::uint64_t client_, next_id_;
  mutable std::mutex mutex_;  // guards held_ and closing_
  std::condition_variable answered_;
  std::map<std::uint64_t, Held> held_;
  bool closing_ = false;
  Doorbell doorbell_;
  std::thread thread_;
};

}  // namespace rookery::retriever_pool::detail
