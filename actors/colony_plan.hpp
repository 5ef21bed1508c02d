#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "actors/admin_desk.hpp"
#include "actors/messages.hpp"
#include "actors/placement.hpp"
#include "actors/restart_policy.hpp"
#include "actors/status_board.hpp"
#include "actors/wanted_state.hpp"

namespace rookery::actors {

struct SupervisorOptions {
  /// How long a lost agent keeps its slots when another could take them.
  std::chrono::milliseconds agent_grace{10'000};
  /// A new head touches nothing that runs before its nodes had so long to come back.
  std::chrono::milliseconds settle{3'000};
  /// A name is given again so long after its process had to go: it may still be on its way out.
  std::chrono::milliseconds name_rest{60'000};
  /// An operation that makes no progress for so long has failed; others may go on then.
  std::chrono::milliseconds patience{600'000};
};

/// Which processes shall run where, over several indexes and generations, and how the colony gets
/// from what runs to what is wanted without a shard ever losing its last ready replica. Without
/// actors and pure: times and states come from the caller.
///
/// What takes time is never done at once: `order` and the generation calls write down what is
/// wanted, and each `advance` takes one step towards it. At most one process of an index is stopped
/// on purpose at a time, and only while another replica of its shard is ready; where there is none,
/// a surplus replica is started first and goes afterwards.
class ColonyPlan {
 public:
  /// `pattern` has what all nodes share: listen, threads, limits.
  ColonyPlan(WantedState wanted, NodeSpec pattern, SupervisorOptions options, TimePoint start);

  void agent_came(const AgentHello& hello, TimePoint now);
  void agent_lost(const std::string& agent, TimePoint now);
  /// Adds wanted slots that are missing, drops those of generations that are no more, and places
  /// what has no place or whose agent is lost for good. True when something changed.
  bool replan(TimePoint now);
  /// One step of whatever is under way. True when something changed; `replan` follows then.
  bool advance(const NodeStates& states, TimePoint now);

  /// "scale", "restart", "drain" or "undrain": 202 and what will happen, 400 for a request that
  /// makes no sense, 404 for an unknown index, node or agent, 409 while the index is busy.
  AdminReply order(const AdminRequest& request);

  /// "scale" as `order`, by the colony itself; the operation says why.
  AdminReply autoscale(const std::string& index, std::int32_t replicas, const std::string& why);

  // Operations that go on outside the plan: swaps and the way back.

  /// Their number; the index is `busy` until a report says that it is over.
  std::int64_t begin_operation(const std::string& action, const std::string& index);
  /// Replaces what is known of the operation with this id; no-op when there is none.
  void report(const Operation& operation);

  // Generations; all throw `std::invalid_argument` for an index or generation that is not there (or
  // is there already), naming it.

  /// Starts to serve a generation beside the others, as preparing whatever its role says. Its
  /// `replicas` may be 0: as many as the live one has.
  void add_generation(const std::string& index, WantedGeneration generation);
  /// New queries go to this one from now on; the one that was live is retired.
  void make_live(const std::string& index, const std::string& generation);
  /// Its processes go. Refuses the live one.
  void remove_generation(const std::string& index, const std::string& generation);
  /// Replicas of a generation, of the live one for an empty name, in [1, 64].
  void scale(const std::string& index, const std::string& generation, std::int32_t replicas);

  /// Something is under way for this index (empty: the default one).
  [[nodiscard]] bool busy(const std::string& index) const;
  [[nodiscard]] Assignment assignment_of(const std::string& agent) const;
  [[nodiscard]] std::vector<AgentInfo> agents() const;
  [[nodiscard]] const WantedState& wanted() const { return wanted_; }
  /// True once after every change of `wanted`: it is to be kept on disk and shown.
  [[nodiscard]] bool take_change();

 private:
  struct Agent {
    AgentInfo info;
    TimePoint lost_since;
  };
  /// A process that was stopped on purpose and is not back yet.
  struct Stop {
    Slot slot;
    TimePoint since;
  };
  struct Progress {
    std::int32_t step = 0;
    TimePoint since;
  };
  /// Why a process must be stopped.
  enum class Reason { kNone, kRestart, kLeave };

  // colony_plan.cpp
  [[nodiscard]] PlacementProblem problem() const;
  [[nodiscard]] bool is_drained(const std::string& agent) const;
  [[nodiscard]] bool is_base(const Slot& slot) const;
  [[nodiscard]] const WantedGeneration* generation_of(const Slot& slot) const;
  void add_node(const Slot& slot, TimePoint now);
  void drop_node(const Slot& slot, TimePoint now);
  void release_numbers(TimePoint now);

  // plan_steps.cpp
  [[nodiscard]] Reason reason_to_stop(const Slot& slot) const;
  [[nodiscard]] bool settled(const Slot& slot, const NodeStates& states) const;
  [[nodiscard]] bool may_stop(const Slot& slot, const NodeStates& states) const;
  [[nodiscard]] bool pending_in_shard(const Slot& slot) const;
  bool give_up_late(const NodeStates& states, TimePoint now);
  void leave_rest(const Operation& operation);
  bool drop_excess(const NodeStates& states, TimePoint now);
  bool step_index(const WantedIndex& index, const NodeStates& states, TimePoint now);
  bool stop_one(const Slot& slot, const NodeStates& states, TimePoint now);
  bool spread(const WantedIndex& index, const NodeStates& states, TimePoint now);
  bool update_operations(const NodeStates& states);
  void update_scale(Operation& operation, const NodeStates& states) const;
  void update_restart(Operation& operation, const NodeStates& states);
  void update_drain(Operation& operation, const NodeStates& states);
  [[nodiscard]] std::optional<std::string> failure_of(const std::string& index,
                                                      const NodeStates& states) const;

  // plan_orders.cpp
  AdminReply order_scale(const AdminRequest& request);
  AdminReply order_restart(const AdminRequest& request);
  AdminReply order_drain(const AdminRequest& request);
  AdminReply order_undrain(const AdminRequest& request);
  [[nodiscard]] std::optional<Slot> slot_named(const std::string& node) const;
  [[nodiscard]] std::optional<std::string> last_holder(const std::vector<Slot>& leaving) const;
  Operation& begin(const std::string& action, const std::string& index);

  WantedState wanted_;
  NodeSpec pattern_;
  SupervisorOptions options_;
  TimePoint start_;
  std::map<std::string, Agent> agents_;
  std::map<std::int32_t, TimePoint> resting_;  ///< numbers of nodes that had to go, since when
  std::map<std::string, Stop> stopped_;        ///< by index
  std::map<std::int64_t, Progress> progress_;  ///< of running operations, by id
  bool changed_ = true;
};

}  // namespace rookery::actors
