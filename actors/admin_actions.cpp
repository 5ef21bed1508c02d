#include "actors/admin_actions.hpp"

#include <nlohmann/json.hpp>

#include <cmath>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "base/log.hpp"

namespace rookery::actors {

namespace {

using Json = nlohmann::json;

constexpr std::string_view kPrefix = "/v1/actions/";
constexpr std::size_t kTextBytesMax = 4096;  // of a field: the longest is a path

std::string text_of(const std::string& key, const Json& value) {
  if (!value.is_string() || value.get_ref<const std::string&>().size() > kTextBytesMax) {
    throw std::invalid_argument(key + ": expected a text of at most 4096 bytes");
  }
  return value.get<std::string>();
}

void respond(base::HttpReply& reply, const AdminReply& answer) {
  const Json json = {{"text", answer.text}};
  reply.respond(answer.status, "application/json",
                json.dump(-1, ' ', false, Json::error_handler_t::replace));
}

/// Nothing when the token is right, or what to say.
std::optional<AdminReply> refused(TokenVerdict verdict) {
  switch (verdict) {
    case TokenVerdict::kAllowed:
      return std::nullopt;
    case TokenVerdict::kTooMany:
      return AdminReply{429, "too many wrong tokens of late; wait a minute"};
    case TokenVerdict::kMissing:
    case TokenVerdict::kWrong:
      break;
  }
  return AdminReply{401,
                    "expected the colony's admin token as Authorization: Bearer …; it is in "
                    "admin.token in the colony's folder on the head's host"};
}

}  // namespace

AdminRequest admin_request(const std::string& action, const std::string& body) {
  const Json json = body.empty() ? Json::object() : Json::parse(body, nullptr, false);
  if (!json.is_object()) throw std::invalid_argument("expected a JSON object as the body");
  AdminRequest request;
  request.action = action;
  for (const auto& [key, value] : json.items()) {
    if (key == "index") {
      request.index = text_of(key, value);
    } else if (key == "node") {
      request.node = text_of(key, value);
    } else if (key == "agent") {
      request.agent = text_of(key, value);
    } else if (key == "snapshot") {
      request.snapshot = text_of(key, value);
    } else if (key == "replicas") {
      if (!value.is_number_integer() || value < 1 || value > 64) {
        throw std::invalid_argument("replicas: expected an integer in [1, 64], got " +
                                    value.dump(-1, ' ', false, Json::error_handler_t::replace));
      }
      request.replicas = value.get<std::int32_t>();
    } else if (key == "recall_min") {
      if (!value.is_number() || !(value >= 0.0 && value <= 1.0)) {
        throw std::invalid_argument("recall_min: expected a number in [0, 1]");
      }
      request.recall_min = value.get<double>();
    } else {
      throw std::invalid_argument("unknown field '" + key.substr(0, 64) +
                                  "'; there are index, node, agent, replicas, snapshot and "
                                  "recall_min");
    }
  }
  return request;
}

std::string admin_body(const AdminRequest& request) {
  Json json = Json::object();
  if (!request.index.empty()) json["index"] = request.index;
  if (!request.node.empty()) json["node"] = request.node;
  if (!request.agent.empty()) json["agent"] = request.agent;
  if (!request.snapshot.empty()) json["snapshot"] = request.snapshot;
  if (request.replicas) json["replicas"] = *request.replicas;
  if (request.recall_min) json["recall_min"] = *request.recall_min;
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

base::HttpHandler with_admin_actions(AdminDesk desk, AdminToken token, base::HttpHandler pages) {
  return [desk = std::move(desk), token = std::move(token), pages = std::move(pages)](
             const base::HttpRequest& request, base::HttpReply& reply) {
    if (!request.path.starts_with(kPrefix)) return pages(request, reply);
    if (request.method != "POST") {
      return respond(reply, {405, "an action is asked for with POST"});
    }
    if (const auto no = refused(token.check(request.authorization))) return respond(reply, *no);
    AdminReply answer;
    try {
      const auto action = request.path.substr(kPrefix.size());
      answer = desk(admin_request(action, request.body));
      base::logger("actors")->info("head: {} {}: {} {}", action, request.body, answer.status,
                                   answer.text);
    } catch (const std::invalid_argument& error) {
      answer = {400, error.what()};
    }
    respond(reply, answer);
  };
}

}  // namespace rookery::actors
