#include "actors/wanted_state.hpp"

#include <nlohmann/json.hpp>

#include "base/atomic_file.hpp"
#include "base/error.hpp"

namespace rookery::actors {

using Json = nlohmann::json;

std::string WantedState::to_json() const {
  Json slots = Json::array();
  for (const auto& [slot, agent] : placement) {
    slots.push_back({{"shard", slot.shard}, {"replica", slot.replica}, {"agent", agent}});
  }
  return Json{{"colony", colony},     {"term", term},         {"shards", shards},
              {"replicas", replicas}, {"snapshot", snapshot}, {"generation", generation},
              {"placement", slots}}
             .dump(2) +
         "\n";
}

WantedState WantedState::from_json(const std::string& text, const std::string& where) {
  try {
    const auto json = Json::parse(text);
    WantedState state;
    json.at("colony").get_to(state.colony);
    json.at("term").get_to(state.term);
    json.at("shards").get_to(state.shards);
    json.at("replicas").get_to(state.replicas);
    json.at("snapshot").get_to(state.snapshot);
    json.at("generation").get_to(state.generation);
    for (const auto& entry : json.at("placement")) {
      const Slot slot{entry.at("shard").get<std::int32_t>(),
                      entry.at("replica").get<std::int32_t>()};
      state.placement[slot] = entry.at("agent").get<std::string>();
    }
    return state;
  } catch (const Json::exception& error) {
    throw base::UserError(where +
                          ": expected the head's wanted state in JSON, got a damaged file (" +
                          error.what() + "); stop the colony and delete the file");
  }
}

std::optional<WantedState> WantedState::load(const std::filesystem::path& path) {
  if (!std::filesystem::exists(path)) return std::nullopt;
  return from_json(base::read_file(path), path.string());
}

void WantedState::save(const std::filesystem::path& path) const {
  base::write_file_atomically(path, to_json());
}

}  // namespace rookery::actors
