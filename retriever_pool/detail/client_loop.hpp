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

#include "retriever_pool/detail/head_link.hpp"
#include "retriever_pool/detail/pool_call.hpp"
#include "retriever_pool/detail/replica_table.hpp"
#include "retriever_pool/detail/sockets.hpp"
#include "retriever_pool/local_documents.hpp"
#include "retriever_pool/replica_choice.hpp"
#include "retriever_pool/request_plan.hpp"
#include "retriever_pool/retriever.hpp"

namespace rookery::retriever_pool::detail {

/// The client's one thread: it owns all sockets, follows the routing view and carries every call
/// through its plan. Public members may be called from any thread.
class ClientLoop {
 public:
  /// Throws `zmq::error_t` for a head's endpoint that makes no sense.
  explicit ClientLoop(const PoolClientOptions& options);
  ~ClientLoop();  ///< Open calls end with kUnavailable.

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
  using Time = std::chrono::steady_clock::time_point;
  struct ActiveCall {
    std::shared_ptr<PoolCall> call;
    std::uint64_t plan_serial;
    std::optional<RequestPlan> plan;  // unset until a view is there
  };

  void run();
  void poll_sockets();
  void note_head_trouble();
  [[nodiscard]] std::chrono::milliseconds next_wait() const;
  void take_new_calls();
  void apply_view(const RoutingView& view);
  void release_in_flight(ReplicaEntry& replica, const std::string& why);
  void read_replica(ReplicaEntry& replica, Time now);
  void read_message(ReplicaEntry& replica, const std::vector<zmq::message_t>& frames, Time now);
  void take_reply(ReplicaEntry& replica, const wire::Header& header,
                  const std::vector<zmq::message_t>& frames, const InFlight& sent, Time now);
  void check_health(ReplicaEntry& replica, Time now);
  void advance(Time now);
  void start_plan(ActiveCall& active);
  void ask_due_shards(ActiveCall& active, Time now);
  bool ask(ActiveCall& active, std::int32_t shard, ReplicaEntry& replica, Time now);
  void finish(ActiveCall& active, std::optional<RetrievalError> error);
  void cancel(std::uint64_t call);

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
  ChoiceRandom random_;
  std::map<std::uint64_t, ActiveCall> calls_;  // by serial
  std::uint64_t next_plan_ = 1, next_ping_ = 1;
  std::thread thread_;
};

}  // namespace rookery::retriever_pool::detail
