#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "actors/messages.hpp"
#include "actors/placement.hpp"
#include "actors/restart_policy.hpp"
#include "retriever_pool/routing_view.hpp"

namespace rookery::actors {

/// How long the head believes in what it cannot see.
struct MembershipOptions {
  /// A node that the head lost, but nobody saw die, stays routable for so long; then it goes if its
  /// shard has another replica in contact. The last one stays: a client's attempt is the better
  /// judge (static stability, so that an outage of the control plane costs no query).
  std::chrono::milliseconds suspect{1'000};
  /// A new head hands out no view before every shard is served and either all replicas are back
  /// or this has passed: clients hold a view of the last term that works.
  std::chrono::milliseconds settle{1'500};
  /// After so long whatever is known is handed out, if anyone came at all.
  std::chrono::milliseconds settle_max{10'000};
  /// A process that is wanted no more is shown for so long at most.
  std::chrono::milliseconds leaving_max{15'000};
};

/// What the plan says about one process.
struct WantedMember {
  std::string node;      ///< "node-1"
  std::string agent;     ///< that shall run it; empty: none can
  bool drained = false;  ///< without an agent because somebody drained it
  friend bool operator==(const WantedMember&, const WantedMember&) = default;
};

/// What the plan wants served: generations as clients shall see them, and the processes.
struct WantedMembers {
  std::vector<retriever_pool::GenerationView> generations;
  std::map<Slot, WantedMember> nodes;
};

/// Who is in the colony and what clients are told of it. Pure: no sockets, no clock.
class Membership {
 public:
  /// `wanted` carries colony, term and generations, whose nodes are taken to be `node-1`, `node-2`,
  /// … by generation, shard and replica until `want` says otherwise; its members are ignored.
  Membership(retriever_pool::RoutingView wanted, MembershipOptions options, TimePoint start);
  /// From now on this is wanted. A process that is wanted no more counts as draining until it has
  /// left: what it was asked is still answered.
  void want(const WantedMembers& wanted, TimePoint now);

  /// Registers a node; the same node may come again, a new process of a node replaces the old one.
  /// Nothing, or why it is refused.
  std::optional<Errc> join(const NodeHello& hello);
  std::optional<Errc> report(const NodeReport& report);
  /// The node said goodbye.
  void leave(const std::string& node, std::int64_t pid);
  /// The connection to a node broke. `dead` when its end was seen too.
  void lost(const std::string& node, std::int64_t pid, bool dead, TimePoint now);
  /// What an agent saw; the end of a process that holds a slot removes it from the view at once.
  std::optional<Errc> process_event(const ProcessEvent& event);
  /// Lets suspicions ripen. Call every few hundred milliseconds.
  void tick(TimePoint now);

  /// The view with its epoch, which rises with every change that a client may act on (not load).
  [[nodiscard]] const retriever_pool::RoutingView& view() const { return view_; }
  /// May clients have the view? Once true, always true.
  [[nodiscard]] bool publishable(TimePoint now);

  /// One wanted replica with what only people care for.
  struct Member {
    retriever_pool::ReplicaView view;
    std::int64_t start_ticks = 0;
    std::string boot;
    std::int64_t refused = 0;
    bool in_contact = false;
    TimePoint lost_since;
    bool crash_loop = false;
    std::int32_t exit_code = 0;
    std::string reason;    ///< of the last end
    std::int64_t run = 0;  ///< `NodeSpec::run` of the process that joined
    std::int64_t queue_wait_us = 0, p50_us = 0, p99_us = 0;
    std::string http = {};
    bool leaving = false;  ///< wanted no more
    std::string agent;     ///< that shall run it; empty: none can
    bool drained = false;
  };
  [[nodiscard]] const std::map<Slot, Member>& members() const { return members_; }

 private:
  [[nodiscard]] std::optional<Slot> find_slot(const NodeHello& hello) const;
  Member* find(const std::string& node, std::int64_t pid);
  static void remove_from_view(Member& member);
  void refresh();
  retriever_pool::RoutingView view_;
  MembershipOptions options_;
  TimePoint start_;
  std::map<Slot, Member> members_;
  bool published_ = false;
};

}  // namespace rookery::actors
