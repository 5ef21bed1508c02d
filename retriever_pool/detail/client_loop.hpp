#pragma once

#include <atomic>
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
#include "retriever_pool/detail/sockets.hpp"
#include "retriever_pool/local_documents.hpp"
#include "retriever_pool/retriever.hpp"
#include "retriever_pool/routing_core.hpp"

namespace rookery::retriever_pool::detail {

/// The client's one thread: it owns all sockets, follows the routing view, and does what the
/// routing core decides. Public members may be called from any thread.
class ClientLoop final : private RoutingPort {
 public:
  /// Throws `zmq::error_t` for a head's endpoint that makes no sense.
  explicit ClientLoop(const PoolClientOptions& options);
  ~ClientLoop() override;  ///< Open calls end with kUnavailable.
  ClientLoop(const ClientLoop&) = delete;
  ClientLoop& operator=(const ClientLoop&) = delete;

  void submit(std::shared_ptr<PoolCall> call);
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

  void run();
  void poll_sockets();
  void note_head_trouble();
  [[nodiscard]] std::chrono::milliseconds next_wait() const;
  void take_new_calls(Time now);
  void apply_view(const RoutingView& view, Time now);
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
  Doorbell doorbell_;
  std::atomic<bool> closing_ = false;

  mutable std::mutex mutex_;  // guards submitted_ and view_ (written by the thread)
  std::condition_variable view_came_;
  std::vector<std::shared_ptr<PoolCall>> submitted_;
  std::optional<RoutingView> view_;
  std::string head_trouble_;

  zmq::context_t context_;
  HeadLink head_;
  ReplicaTable replicas_;
  RoutingCore core_;
  std::map<std::uint64_t, std::shared_ptr<PoolCall>> calls_;  // by serial
  std::optional<ClientMetrics> metrics_;
  Time next_count_{};
  std::thread thread_;
};

}  // namespace rookery::retriever_pool::detail
