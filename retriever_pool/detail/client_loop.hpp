#pragma once

#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>
#include <zmq.hpp>

#include "retriever_pool/client_metrics.hpp"
#include "retriever_pool/detail/head_link.hpp"
#include "retriever_pool/detail/pool_call.hpp"
#include "retriever_pool/detail/replica_table.hpp"
#include "retriever_pool/detail/socket_watch.hpp"
#include "retriever_pool/detail/sockets.hpp"
#include "retriever_pool/local_documents.hpp"
#include "retriever_pool/retriever.hpp"
#include "retriever_pool/routing_core.hpp"

namespace rookery::retriever_pool::detail {

/// Owns all sockets of a client, follows the routing view, and does what the routing core decides.
/// The threads that call drive the sockets themselves, one leading while the others wait
/// (leader/followers: Schmidt et al., POSA 2), so that no answer crosses a thread more than it
/// must; a thread of the loop's own drives while nobody calls. Public members may be called from
/// any thread.
class ClientLoop final : private RoutingPort {
 public:
  /// Throws `zmq::error_t` for a head's endpoint that makes no sense.
  explicit ClientLoop(const PoolClientOptions& options);
  ~ClientLoop() override;  ///< Nobody may be inside of `run` any more.
  ClientLoop(const ClientLoop&) = delete;
  ClientLoop& operator=(const ClientLoop&) = delete;

  /// Sends the call's queries and returns when the call is over, at its deadline at the latest.
  void run(PoolCall& call);
  /// Ends open calls with kUnavailable, and later ones at once.
  void close();
  /// Waits for the first view.
  [[nodiscard]] bool wait_for_view(std::chrono::milliseconds timeout);
  /// Why there is no connection to the head, as `Link::trouble`.
  [[nodiscard]] std::string head_trouble() const;
  /// What is live, or what is served (or being prepared) by the name of `generation`; an empty
  /// description where there is none.
  [[nodiscard]] IndexDescription index(const std::string& generation = {}) const;
  /// Where the generation lies when one of its nodes is on this host.
  [[nodiscard]] LocalSource local_source(const std::string& generation) const;

 private:
  using Time = RoutingCore::Time;
  using Replica = RequestPlan::Replica;
  enum class Driver { kCaller, kKeeper };
  using Lock = std::unique_lock<std::mutex>;

  void keep();
  void drive(Lock& lock, Driver driver);
  void pass_on();
  void settle();
  void take_what_came(const SocketWatch& watch);
  void step_head(Time now);
  void apply_view(const RoutingView& view, Time now);
  [[nodiscard]] Time next_step() const;
  void read_replica(Replica number, ReplicaLink& replica, Time now);
  void read_message(Replica number, const ReplicaLink& replica,
                    const std::vector<zmq::message_t>& frames, Time now);
  void take_reply(Replica number, const ReplicaLink& replica, const wire::Header& header,
                  const std::vector<zmq::message_t>& frames, Time now);

  // What the core asks for.
  Targeting target(std::uint64_t call) override;
  bool send_query(const QueryMessage& message) override;
  void send_cancel(Replica replica, std::uint64_t call) override;
  bool send_ping(Replica replica, std::uint32_t number) override;
  void finished(std::uint64_t call, CallResult result) override;
  void attempt_over(const AttemptReport& report) override;
  void noticed(Replica replica, Event event) override;

  PoolClientOptions options_;
  std::uint64_t client_;  // high half of all request ids

  mutable std::mutex view_mutex_;  // guards the next three; taken inside of mutex_
  std::condition_variable view_came_;
  std::optional<RoutingView> view_;
  std::string head_trouble_;

  std::mutex mutex_;  // guards all below, sockets included
  zmq::context_t context_;
  HeadLink head_;
  ReplicaTable replicas_;
  RoutingCore core_;
  std::map<std::uint64_t, PoolCall*> calls_;  // by serial; each has a caller in `run`
  std::uint64_t last_serial_ = 0;
  std::optional<ClientMetrics> metrics_;
  Time next_count_{};
  bool closing_ = false;

  bool caller_drives_ = false;
  Doorbell caller_bell_;  // of whichever caller drives
  Time last_drive_{};     // when the last caller left

  enum class Keeper { kAway, kWaits, kPolls } keeper_ = Keeper::kAway;
  Time keeper_until_{};  // when it will look at the sockets by itself
  std::condition_variable keeper_wakes_;
  Doorbell keeper_bell_;
  std::thread thread_;
};

}  // namespace rookery::retriever_pool::detail
