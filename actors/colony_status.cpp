#include "actors/colony_status.hpp"

#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/http_server.hpp"

namespace rookery::actors {

namespace {

using Json = nlohmann::json;

MemberStatus member_from(const Json& json) {
  MemberStatus member;
  json.at("shard").get_to(member.shard);
  json.at("replica").get_to(member.replica);
  json.at("node").get_to(member.node);
  json.at("state").get_to(member.state);
  json.at("in_contact").get_to(member.in_contact);
  json.at("generation").get_to(member.generation);
  json.at("endpoint").get_to(member.endpoint);
  json.at("host").get_to(member.host);
  json.at("pid").get_to(member.pid);
  json.at("queue").get_to(member.queue);
  json.at("served").get_to(member.served);
  json.at("refused").get_to(member.refused);
  json.at("restarts").get_to(member.restarts);
  json.at("crash_loop").get_to(member.crash_loop);
  json.at("exit_code").get_to(member.exit_code);
  json.at("reason").get_to(member.reason);
  member.index = json.value("index", "");
  member.agent = json.value("agent", "");
  member.drained = json.value("drained", false);
  member.queue_wait_us = json.value("queue_wait_us", std::int64_t{0});
  member.p50_us = json.value("p50_us", std::int64_t{0});
  member.p99_us = json.value("p99_us", std::int64_t{0});
  member.http = json.value("http", "");
  return member;
}

AgentStatus agent_from(const Json& json) {
  AgentStatus agent;
  json.at("agent").get_to(agent.agent);
  json.at("host").get_to(agent.host);
  json.at("pid").get_to(agent.pid);
  json.at("cores").get_to(agent.cores);
  json.at("slots").get_to(agent.slots);
  json.at("connected").get_to(agent.connected);
  agent.drained = json.value("drained", false);
  agent.http = json.value("http", "");
  agent.slots_max = json.value("slots_max", 0);
  return agent;
}

GenerationStatus generation_from(const Json& json) {
  GenerationStatus generation;
  json.at("index").get_to(generation.index);
  json.at("generation").get_to(generation.generation);
  json.at("role").get_to(generation.role);
  json.at("shards").get_to(generation.shards);
  json.at("replicas").get_to(generation.replicas);
  generation.kind = json.value("kind", "");
  generation.complete = json.value("complete", false);
  generation.dimension = json.value("dimension", 0);
  generation.passages = json.value("passages", std::int64_t{0});
  generation.sources = json.value("sources", std::int64_t{0});
  return generation;
}

OperationStatus operation_from(const Json& json) {
  OperationStatus operation;
  json.at("id").get_to(operation.id);
  json.at("action").get_to(operation.action);
  json.at("state").get_to(operation.state);
  operation.index = json.value("index", "");
  operation.node = json.value("node", "");
  operation.agent = json.value("agent", "");
  operation.step = json.value("step", 0);
  operation.of = json.value("of", 0);
  operation.text = json.value("text", "");
  return operation;
}

}  // namespace

ColonyStatus ColonyStatus::from_json(const std::string& text, const std::string& where) {
  try {
    const auto json = Json::parse(text);
    ColonyStatus status;
    json.at("colony").get_to(status.colony);
    json.at("generation").get_to(status.generation);
    json.at("snapshot").get_to(status.snapshot);
    json.at("term").get_to(status.term);
    json.at("epoch").get_to(status.epoch);
    json.at("shards").get_to(status.shards);
    json.at("replicas").get_to(status.replicas);
    json.at("dimension").get_to(status.dimension);
    json.at("passages").get_to(status.passages);
    json.at("sources").get_to(status.sources);
    json.at("kind").get_to(status.kind);
    json.at("kinds").get_to(status.kinds);
    json.at("complete").get_to(status.complete);
    for (const auto& member : json.at("members")) status.members.push_back(member_from(member));
    for (const auto& agent : json.at("agents")) status.agents.push_back(agent_from(agent));
    for (const auto& generation : json.value("generations", Json::array())) {
      status.generations.push_back(generation_from(generation));
    }
    for (const auto& operation : json.value("operations", Json::array())) {
      status.operations.push_back(operation_from(operation));
    }
    status.json = text;
    return status;
  } catch (const Json::exception& error) {
    throw base::UserError(where + ": expected a colony's status, got something else (" +
                          error.what() + "); is it a Rookery head of this version?");
  }
}

ColonyStatus fetch_status(const HeadRecord& head, std::chrono::milliseconds timeout) {
  return fetch_status(head.http, timeout, head.tls());
}

ColonyStatus fetch_status(const std::string& http, std::chrono::milliseconds timeout,
                          const base::TlsFiles& tls) {
  base::HttpRequest request;
  request.method = "GET";
  request.path = "/v1/status";
  const auto answer = base::http_request(http, request, timeout, tls);
  const auto where = "http://" + http + "/v1/status";
  if (answer.status != 200) {
    throw base::UserError(where + ": expected status 200, got " + std::to_string(answer.status));
  }
  return ColonyStatus::from_json(answer.body, where);
}

}  // namespace rookery::actors
