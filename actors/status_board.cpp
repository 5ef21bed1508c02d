#include "actors/status_board.hpp"

#include <nlohmann/json.hpp>
#include <utility>

namespace rookery::actors {

using Json = nlohmann::json;

void StatusBoard::update(const Membership& membership) {
  const std::lock_guard lock(mutex_);
  view_ = membership.view();
  members_ = membership.members();
}

void StatusBoard::want(const WantedState& wanted) {
  WantedMembers fresh{wanted.generations(), {}};
  for (const auto& [slot, node] : wanted.nodes) {
    const auto agent = wanted.placement.find(slot);
    auto& member = fresh.nodes[slot];
    member.node = node.name();
    if (agent != wanted.placement.end()) member.agent = agent->second;
    // A drained agent's slots avoid nothing by themselves; they are empty all the same.
    member.drained =
        member.agent.empty() && (wanted.avoid.contains(slot) || !wanted.drained_agents.empty());
  }
  const std::lock_guard lock(mutex_);
  wanted_ = std::move(fresh);
  operations_ = wanted.operations;
  ++wanted_version_;
}

std::optional<WantedMembers> StatusBoard::wanted_since(std::uint64_t& version) const {
  const std::lock_guard lock(mutex_);
  if (wanted_version_ == version) return std::nullopt;
  version = wanted_version_;
  return wanted_;
}

NodeStates StatusBoard::node_states() const {
  const std::lock_guard lock(mutex_);
  NodeStates states;
  for (const auto& [slot, member] : members_) {
    if (member.leaving) continue;
    const bool serving = member.view.state == retriever_pool::ReplicaState::kReady;
    states[slot] = {
        serving && member.in_contact, serving, member.run, member.crash_loop, member.reason,
        member.queue_wait_us};
  }
  return states;
}

void StatusBoard::update_agents(std::vector<AgentInfo> agents) {
  const std::lock_guard lock(mutex_);
  agents_ = std::move(agents);
}

std::string StatusBoard::view_json() const {
  const std::lock_guard lock(mutex_);
  return view_.to_json();
}

std::string StatusBoard::status_json() const {
  const std::lock_guard lock(mutex_);
  Json members = Json::array();
  for (const auto& [slot, member] : members_) {
    const auto& view = member.view;
    members.push_back({{"index", view.index},
                       {"shard", view.shard},
                       {"replica", view.replica},
                       {"node", view.node},
                       {"state", to_string(view.state)},
                       {"in_contact", member.in_contact},
                       {"generation", view.generation},
                       {"endpoint", view.endpoint},
                       {"host", view.host},
                       {"pid", view.pid},
                       {"queue", view.queue},
                       {"served", view.served},
                       {"refused", member.refused},
                       {"restarts", view.restarts},
                       {"crash_loop", member.crash_loop},
                       {"exit_code", member.exit_code},
                       {"reason", member.reason},
                       {"agent", member.agent},
                       {"drained", member.drained},
                       {"queue_wait_us", member.queue_wait_us},
                       {"p50_us", member.p50_us},
                       {"p99_us", member.p99_us},
                       {"http", member.http}});
  }
  Json agents = Json::array();
  for (const auto& agent : agents_) {
    agents.push_back({{"agent", agent.agent},
                      {"host", agent.host},
                      {"pid", agent.pid},
                      {"cores", agent.cores},
                      {"slots", agent.slots},
                      {"connected", agent.connected},
                      {"slots_max", agent.slots_max},
                      {"drained", agent.drained}});
  }
  Json generations = Json::array();
  for (const auto& generation : view_.generations) {
    generations.push_back({{"index", generation.index_name},
                           {"generation", generation.index.generation},
                           {"role", to_string(generation.role)},
                           {"shards", generation.shards},
                           {"replicas", generation.replicas},
                           {"snapshot", generation.snapshot},
                           {"passages", generation.index.passages},
                           {"sources", generation.index.sources},
                           {"dimension", generation.index.dimension},
                           {"kind", index_tools::to_string(generation.index.default_kind)},
                           {"complete", view_.complete(generation)}});
  }
  Json operations = Json::array();
  for (const auto& operation : operations_) {
    operations.push_back({{"id", operation.id},
                          {"action", operation.action},
                          {"index", operation.index},
                          {"node", operation.node},
                          {"agent", operation.agent},
                          {"state", operation.state},
                          {"step", operation.step},
                          {"of", operation.of},
                          {"text", operation.text}});
  }
  const auto* live = view_.live();
  const auto served = live != nullptr ? *live : retriever_pool::GenerationView{};
  const auto& index = served.index;
  auto kinds = Json::array();
  for (const auto kind : index.kinds) kinds.push_back(index_tools::to_string(kind));
  return Json{{"colony", view_.colony},
              {"term", view_.term},
              {"epoch", view_.epoch},
              {"shards", served.shards},
              {"replicas", served.replicas},
              {"generation", index.generation},
              {"snapshot", served.snapshot},
              {"passages", index.passages},
              {"sources", index.sources},
              {"dimension", index.dimension},
              {"kind", index_tools::to_string(index.default_kind)},
              {"kinds", kinds},
              {"encoder", index.encoder_name},
              {"complete", view_.complete()},
              {"generations", generations},
              {"members", members},
              {"operations", operations},
              {"agents", agents}}
      // A process's last words may be anything; only here do they become JSON.
      .dump(-1, ' ', false, Json::error_handler_t::replace);
}

bool StatusBoard::complete() const {
  const std::lock_guard lock(mutex_);
  return view_.complete();
}

bool StatusBoard::ready() const {
  const std::lock_guard lock(mutex_);
  return view_.serves_all_shards();
}

retriever_pool::RoutingView StatusBoard::view() const {
  const std::lock_guard lock(mutex_);
  return view_;
}

}  // namespace rookery::actors
