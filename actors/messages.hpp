#pragma once

#include <caf/all.hpp>

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "actors/admin_desk.hpp"
#include "retriever_pool/retriever.hpp"

namespace rookery::actors {

/// Version of the messages below. The ids of the type block are on the wire: append, never insert,
/// and raise this number when a struct changes; a peer with another number is refused.
inline constexpr std::uint32_t kWireVersion = 4;

/// Why the control plane refuses.
enum class Errc : std::uint8_t {
  kWrongVersion = 1,  ///< the peer speaks another wire version
  kWrongColony,       ///< the peer belongs to another colony
  kUnknownSlot,       ///< shard or replica is not wanted
  kSlotTaken,         ///< another living node holds the slot
  kWrongGeneration,   ///< the node serves another generation than the colony wants
  kInvalid,           ///< a field is out of its range
  kNotJoined,         ///< a report of a node that has not said hello in this term
};
std::string to_string(Errc code);
bool from_string(caf::string_view text, Errc& code);
bool from_integer(std::uint8_t value, Errc& code);
template <class Inspector>
bool inspect(Inspector& f, Errc& x) {
  return caf::default_enum_inspect(f, x);
}

/// A node introduces itself, at start and to every new head. Fixed-size numbers and short texts
/// only: no floats, no bulk.
struct NodeHello {
  std::uint32_t wire = kWireVersion;
  std::string colony;  ///< empty: whichever the head has
  std::string node;    ///< "node-1"
  std::string index;   ///< the name of the index; empty: whichever serves the generation
  std::int32_t shard = 0, replica = 0;
  std::int64_t run = 0;  ///< as `NodeSpec::run`
  std::string host;
  std::int64_t pid = 0, start_ticks = 0;  ///< as `ProcessIdentity`
  std::string boot;
  std::string generation;
  std::uint8_t state = 0;  ///< `retriever_pool::ReplicaState`
  std::string endpoint;    ///< data plane; empty until it listens
};

/// State and load of a node, on every change and twice a second.
struct NodeReport {
  std::string node;
  std::int64_t pid = 0;
  std::uint8_t state = 0;
  std::string endpoint;
  std::int64_t queue = 0, served = 0, refused = 0;
  std::int64_t queue_wait_us = 0;       ///< p95 of late, until the search began
  std::int64_t p50_us = 0, p99_us = 0;  ///< of late, until the search ended; 0: none came
  std::string http = {};                ///< the node's own pages, HOST:PORT
};

/// The head's answer to a hello.
struct Welcome {
  std::uint32_t wire = kWireVersion;
  std::string colony;
  std::uint64_t term = 0;
};

/// An agent introduces itself.
struct AgentHello {
  std::uint32_t wire = kWireVersion;
  std::string colony;
  std::string agent;  ///< unique in the colony, by default the host's name
  std::string host;
  std::int64_t pid = 0;
  std::int32_t cores = 1;
  std::int32_t slots_max = 0;  ///< processes that it takes at most; 0: any number
};

/// One process that an agent shall keep running.
struct NodeSpec {
  std::string index;  ///< the name of the index
  std::int32_t shard = 0, replica = 0;
  std::string node;
  std::int64_t run = 0;  ///< another number asks for another process
  std::string snapshot;  ///< the generation's folder
  std::string generation;
  std::string listen;        ///< IPv4 address of its data plane
  std::int32_t threads = 0;  ///< 0: the agent's share of the cores
  std::int32_t queue_requests_max = 256;
  std::int64_t queue_bytes_max = 64 << 20;
  std::int32_t batch_queries_max = 128;
  std::string kind;  ///< of queries that name none; empty: what the snapshot has
  std::int32_t ef_search = 0, nprobe = 0, candidates = 0;  ///< where a query says 0
  std::string filter_file;  ///< holds for every query; empty: none. Its name changes with its text
  std::int32_t batch_window_us = 1000;  ///< waiting for more queries to merge; 0: none
  /// Thousandths of the queue that each priority may fill.
  std::array<std::int32_t, retriever_pool::kPriorities> priority_shares = {1000, 750, 500};
  friend bool operator==(const NodeSpec&, const NodeSpec&) = default;
};

/// Everything an agent shall run from now on; what it lists no more is stopped.
struct Assignment {
  std::uint64_t term = 0;
  std::vector<NodeSpec> nodes;
  friend bool operator==(const Assignment&, const Assignment&) = default;
};

/// What an agent saw happen to one of its processes. Also re-sent to a new head.
struct ProcessEvent {
  std::string agent;
  std::string index, generation;
  std::int32_t shard = 0, replica = 0;
  std::int64_t pid = 0;
  bool running = false;        ///< false: it ended, with `exit_code`
  std::int32_t exit_code = 0;  ///< or 128 + the signal's number
  std::int32_t restarts = 0;
  bool crash_loop = false;
  std::string reason;         ///< its last words on standard error, at most 512 bytes
  std::int64_t retry_ms = 0;  ///< until the next start
};

class ColonyPlan;

/// A change of the plan that somebody in the head's own process orders: it runs inside the
/// supervisor. Never travels.
struct PlanOrder {
  std::function<AdminReply(ColonyPlan&)> apply;
};

template <class Inspector>
bool inspect(Inspector& f, NodeHello& x) {
  return f.object(x).fields(f.field("wire", x.wire), f.field("colony", x.colony),
                            f.field("node", x.node), f.field("index", x.index),
                            f.field("shard", x.shard), f.field("replica", x.replica),
                            f.field("run", x.run), f.field("host", x.host), f.field("pid", x.pid),
                            f.field("start_ticks", x.start_ticks), f.field("boot", x.boot),
                            f.field("generation", x.generation), f.field("state", x.state),
                            f.field("endpoint", x.endpoint));
}
template <class Inspector>
bool inspect(Inspector& f, NodeReport& x) {
  return f.object(x).fields(
      f.field("node", x.node), f.field("pid", x.pid), f.field("state", x.state),
      f.field("endpoint", x.endpoint), f.field("queue", x.queue), f.field("served", x.served),
      f.field("refused", x.refused), f.field("queue_wait_us", x.queue_wait_us),
      f.field("p50_us", x.p50_us), f.field("p99_us", x.p99_us), f.field("http", x.http));
}
template <class Inspector>
bool inspect(Inspector& f, Welcome& x) {
  return f.object(x).fields(f.field("wire", x.wire), f.field("colony", x.colony),
                            f.field("term", x.term));
}
template <class Inspector>
bool inspect(Inspector& f, AgentHello& x) {
  return f.object(x).fields(f.field("wire", x.wire), f.field("colony", x.colony),
                            f.field("agent", x.agent), f.field("host", x.host),
                            f.field("pid", x.pid), f.field("cores", x.cores),
                            f.field("slots_max", x.slots_max));
}
template <class Inspector>
bool inspect(Inspector& f, NodeSpec& x) {
  return f.object(x).fields(
      f.field("index", x.index), f.field("shard", x.shard), f.field("replica", x.replica),
      f.field("node", x.node), f.field("run", x.run), f.field("snapshot", x.snapshot),
      f.field("generation", x.generation), f.field("listen", x.listen),
      f.field("threads", x.threads), f.field("queue_requests_max", x.queue_requests_max),
      f.field("queue_bytes_max", x.queue_bytes_max),
      f.field("batch_queries_max", x.batch_queries_max), f.field("kind", x.kind),
      f.field("ef_search", x.ef_search), f.field("nprobe", x.nprobe),
      f.field("candidates", x.candidates), f.field("filter_file", x.filter_file),
      f.field("batch_window_us", x.batch_window_us), f.field("priority_shares", x.priority_shares));
}
template <class Inspector>
bool inspect(Inspector& f, Assignment& x) {
  return f.object(x).fields(f.field("term", x.term), f.field("nodes", x.nodes));
}
template <class Inspector>
bool inspect(Inspector& f, ProcessEvent& x) {
  return f.object(x).fields(f.field("agent", x.agent), f.field("index", x.index),
                            f.field("generation", x.generation), f.field("shard", x.shard),
                            f.field("replica", x.replica), f.field("pid", x.pid),
                            f.field("running", x.running), f.field("exit_code", x.exit_code),
                            f.field("restarts", x.restarts), f.field("crash_loop", x.crash_loop),
                            f.field("reason", x.reason), f.field("retry_ms", x.retry_ms));
}

}  // namespace rookery::actors

// clang-format off
CAF_BEGIN_TYPE_ID_BLOCK(rookery_actors, caf::first_custom_type_id)
  CAF_ADD_TYPE_ID(rookery_actors, (rookery::actors::Errc))
  CAF_ADD_TYPE_ID(rookery_actors, (rookery::actors::NodeHello))
  CAF_ADD_TYPE_ID(rookery_actors, (rookery::actors::NodeReport))
  CAF_ADD_TYPE_ID(rookery_actors, (rookery::actors::Welcome))
  CAF_ADD_TYPE_ID(rookery_actors, (rookery::actors::AgentHello))
  CAF_ADD_TYPE_ID(rookery_actors, (rookery::actors::NodeSpec))
  CAF_ADD_TYPE_ID(rookery_actors, (rookery::actors::Assignment))
  CAF_ADD_TYPE_ID(rookery_actors, (rookery::actors::ProcessEvent))
  CAF_ADD_TYPE_ID(rookery_actors, (std::vector<rookery::actors::NodeSpec>))
  CAF_ADD_ATOM(rookery_actors, rookery::actors, hello_atom)
  CAF_ADD_ATOM(rookery_actors, rookery::actors, report_atom)
  CAF_ADD_ATOM(rookery_actors, rookery::actors, leave_atom)
  CAF_ADD_ATOM(rookery_actors, rookery::actors, probe_atom)
  CAF_ADD_ATOM(rookery_actors, rookery::actors, assign_atom)
  CAF_ADD_ATOM(rookery_actors, rookery::actors, event_atom)
  CAF_ADD_ATOM(rookery_actors, rookery::actors, head_atom)
  CAF_ADD_ATOM(rookery_actors, rookery::actors, loaded_atom)
  CAF_ADD_ATOM(rookery_actors, rookery::actors, drain_atom)
  CAF_ADD_ATOM(rookery_actors, rookery::actors, beat_atom)
  CAF_ADD_ATOM(rookery_actors, rookery::actors, order_atom)
  CAF_ADD_TYPE_ID(rookery_actors, (rookery::actors::PlanOrder))
  CAF_ADD_TYPE_ID(rookery_actors, (rookery::actors::AdminReply))
CAF_END_TYPE_ID_BLOCK(rookery_actors)
// clang-format on

CAF_ERROR_CODE_ENUM(rookery::actors::Errc)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(rookery::actors::PlanOrder)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(rookery::actors::AdminReply)
