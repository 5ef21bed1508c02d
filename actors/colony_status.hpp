#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "actors/colony_folder.hpp"
#include "base/http_server.hpp"

namespace rookery::actors {

/// One wanted replica as the head sees it.
struct MemberStatus {
  std::int32_t shard = 0, replica = 0;
  std::string node, state;  ///< "node-1"; "joining", "loading", "ready", "draining", "gone"
  bool in_contact = false;  ///< a ready node may be out of contact: routable, until replaced
  std::string generation, endpoint, host;
  std::int64_t pid = 0, queue = 0, served = 0, refused = 0;
  std::int32_t restarts = 0;
  bool crash_loop = false;
  std::int32_t exit_code = 0;  ///< of its last end, or 128 + signal
  std::string reason;          ///< last words before its last end
  std::string index = {}, agent = {};
  bool drained = false;
  std::int64_t queue_wait_us = 0;       ///< p95 of late
  std::int64_t p50_us = 0, p99_us = 0;  ///< of late, from arrival to reply; 0: nobody asked
  std::string http = {};                ///< its own pages, "127.0.0.1:40123"
};

/// One generation of one index.
struct GenerationStatus {
  std::string index, generation, role;  ///< role: "live", "preparing", "retired"
  std::int32_t shards = 0, replicas = 0;
  std::string kind = {};
  bool complete = false;
  std::int32_t dimension = 0;
  std::int64_t passages = 0, sources = 0;
};

/// A change that takes its time.
struct OperationStatus {
  std::int64_t id = 0;
  std::string action, index, node, agent, state;
  std::int32_t step = 0, of = 0;
  std::string text;
};

struct AgentStatus {
  std::string agent, host;
  std::int64_t pid = 0;
  std::int32_t cores = 0, slots = 0;
  bool connected = false;
  bool drained = false;
  std::string http = {};
  std::int32_t slots_max = 0;  ///< 0: any number
};

/// The head's `/v1/status`, read back.
struct ColonyStatus {
  std::string colony, generation, snapshot;
  std::uint64_t term = 0, epoch = 0;
  std::int32_t shards = 0, replicas = 0, dimension = 0;
  std::int64_t passages = 0, sources = 0;
  std::string kind;                   ///< of queries that name none
  std::vector<std::string> kinds;     ///< that can be asked for
  bool complete = false;              ///< every wanted replica is ready
  std::vector<MemberStatus> members;  ///< by shard, then replica
  std::vector<AgentStatus> agents;
  std::vector<GenerationStatus> generations = {};
  std::vector<OperationStatus> operations = {};
  std::string json;  ///< as it came

  /// Throws `UserError` naming `where` for text that is no status.
  static ColonyStatus from_json(const std::string& text, const std::string& where);
};

/// Asks a head's HTTP address, over TLS where `tls` names an authority. Throws `UserError` when no
/// status comes in time.
ColonyStatus fetch_status(const std::string& http, std::chrono::milliseconds timeout,
                          const base::TlsFiles& tls = {});
/// Of the head that the record names.
ColonyStatus fetch_status(const HeadRecord& head, std::chrono::milliseconds timeout);

}  // namespace rookery::actors
