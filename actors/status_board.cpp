#include "actors/status_board.hpp"

#include <nlohmann/json.hpp>
#include <utility>

namespace rookery::actors {

using Json = nlohmann::json;

void StatusBoard::update(const Membership& membership) {
  const std::lock_guard lock(mutex_);
  view_ = membership.view();
  members_.clear();
  for (const auto& [slot, member] : membership.members()) members_.push_back(member);
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
  for (const auto& member : members_) {
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
                       {"reason", member.reason}});
  }
  Json agents = Json::array();
  for (const auto& agent : agents_) {
    agents.push_back({{"agent", agent.agent},
                      {"host", agent.host},
                      {"pid", agent.pid},
                      {"cores", agent.cores},
                      {"slots", agent.slots},
                      {"connected", agent.connected}});
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
              {"members", members},
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
