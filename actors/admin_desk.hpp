#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

namespace rookery::actors {

/// What somebody with the admin token asks of the head: `POST /v1/actions/ACTION` with these fields
/// as a JSON object.
struct AdminRequest {
  std::string action;  ///< "scale", "restart", "drain", "undrain", "swap", "rollback"
  std::string index;   ///< of scale, restart, swap, rollback; empty: the default one
  std::optional<std::int32_t> replicas = {};  ///< of scale
  std::string node;   ///< of restart (empty: all of the index, one after the other), drain, undrain
  std::string agent;  ///< of drain and undrain instead of `node`: all nodes of that agent
  std::string snapshot;                   ///< of swap: NAME or NAME/GENERATION
  std::optional<double> recall_min = {};  ///< of swap: share of the old answers, [0, 1]
};

/// `status` is an HTTP status: 202 accepted (the course is followed in `/v1/status`), 200 there is
/// nothing to do, 400, 404, 409 something else is under way. `text` is a sentence for people.
struct AdminReply {
  int status = 202;
  std::string text;
};

/// Takes a request to the supervisor and brings back its word, within seconds; any thread may call.
using AdminDesk = std::function<AdminReply(const AdminRequest&)>;

}  // namespace rookery::actors
