#include "actors/wanted_state.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/atomic_file.hpp"
#include "base/error.hpp"

namespace rookery::actors {

using Json = nlohmann::json;
using retriever_pool::GenerationRole;

namespace {

Json slot_json(const Slot& slot) {
  return {{"index", slot.index},
          {"generation", slot.generation},
          {"shard", slot.shard},
          {"replica", slot.replica}};
}

Slot slot_from(const Json& json) {
  return {json.at("index").get<std::string>(), json.at("generation").get<std::string>(),
          json.at("shard").get<std::int32_t>(), json.at("replica").get<std::int32_t>()};
}

GenerationRole role_from(const std::string& name) {
  for (const auto role :
       {GenerationRole::kLive, GenerationRole::kRetired, GenerationRole::kPreparing}) {
    if (name == to_string(role)) return role;
  }
  throw Json::other_error::create(501, "role '" + name + "' is unknown", nullptr);
}

Json index_json(const WantedIndex& index) {
  Json generations = Json::array();
  for (const auto& generation : index.generations) {
    generations.push_back({{"generation", generation.generation},
                           {"snapshot", generation.snapshot},
                           {"role", to_string(generation.role)},
                           {"shards", generation.shards},
                           {"replicas", generation.replicas}});
  }
  return {{"name", index.name},
          {"path", index.path},
          {"replicas_configured", index.replicas_configured},
          {"kind", index.settings.kind},
          {"ef_search", index.settings.ef_search},
          {"nprobe", index.settings.nprobe},
          {"candidates", index.settings.candidates},
          {"filter_file", index.settings.filter_file},
          {"generations", generations}};
}

WantedIndex index_from(const Json& json) {
  WantedIndex index;
  json.at("name").get_to(index.name);
  json.at("path").get_to(index.path);
  json.at("replicas_configured").get_to(index.replicas_configured);
  json.at("kind").get_to(index.settings.kind);
  json.at("ef_search").get_to(index.settings.ef_search);
  json.at("nprobe").get_to(index.settings.nprobe);
  json.at("candidates").get_to(index.settings.candidates);
  json.at("filter_file").get_to(index.settings.filter_file);
  for (const auto& entry : json.at("generations")) {
    WantedGeneration generation;
    entry.at("generation").get_to(generation.generation);
    entry.at("snapshot").get_to(generation.snapshot);
    generation.role = role_from(entry.at("role").get<std::string>());
    entry.at("shards").get_to(generation.shards);
    entry.at("replicas").get_to(generation.replicas);
    index.generations.push_back(std::move(generation));
  }
  return index;
}

Json operation_json(const Operation& operation) {
  return {{"id", operation.id},        {"action", operation.action}, {"index", operation.index},
          {"node", operation.node},    {"agent", operation.agent},   {"state", operation.state},
          {"step", operation.step},    {"of", operation.of},         {"text", operation.text},
          {"reason", operation.reason}};
}

Operation operation_from(const Json& json) {
  Operation operation;
  json.at("id").get_to(operation.id);
  json.at("action").get_to(operation.action);
  json.at("index").get_to(operation.index);
  json.at("node").get_to(operation.node);
  json.at("agent").get_to(operation.agent);
  json.at("state").get_to(operation.state);
  json.at("step").get_to(operation.step);
  json.at("of").get_to(operation.of);
  json.at("text").get_to(operation.text);
  operation.reason = json.value("reason", std::string());
  return operation;
}

/// The file of the first schema: one index of one generation, named by nobody.
void read_first_schema(const Json& json, WantedState& state) {
  WantedIndex index;
  index.name = "main";
  WantedGeneration generation;
  generation.role = GenerationRole::kLive;
  json.at("shards").get_to(generation.shards);
  json.at("replicas").get_to(generation.replicas);
  json.at("snapshot").get_to(generation.snapshot);
  json.at("generation").get_to(generation.generation);
  for (const auto& entry : json.at("placement")) {
    const Slot slot{index.name, generation.generation, entry.at("shard").get<std::int32_t>(),
                    entry.at("replica").get<std::int32_t>()};
    state.placement[slot] = entry.at("agent").get<std::string>();
    state.nodes[slot].number = slot.shard * generation.replicas + slot.replica + 1;
  }
  index.generations.push_back(std::move(generation));
  state.indexes.push_back(std::move(index));
}

void read_second_schema(const Json& json, WantedState& state) {
  for (const auto& entry : json.at("indexes")) state.indexes.push_back(index_from(entry));
  for (const auto& entry : json.at("nodes")) {
    const Slot slot = slot_from(entry);
    auto& node = state.nodes[slot];
    entry.at("number").get_to(node.number);
    entry.at("run").get_to(node.run);
    entry.at("run_wanted").get_to(node.run_wanted);
    const auto agent = entry.at("agent").get<std::string>();
    if (!agent.empty()) state.placement[slot] = agent;
  }
  for (const auto& entry : json.at("avoid")) {
    state.avoid[slot_from(entry)] = entry.at("agent").get<std::string>();
  }
  json.at("drained_agents").get_to(state.drained_agents);
  for (const auto& entry : json.at("operations")) {
    state.operations.push_back(operation_from(entry));
  }
}

template <class Index>
auto* find_generation(Index& index, const std::string& generation) {
  const auto place =
      std::find_if(index.generations.begin(), index.generations.end(),
                   [&](const auto& known) { return known.generation == generation; });
  return place == index.generations.end() ? nullptr : &*place;
}

template <class Index>
auto* find_live(Index& index) {
  const auto place =
      std::find_if(index.generations.begin(), index.generations.end(),
                   [](const auto& known) { return known.role == GenerationRole::kLive; });
  return place == index.generations.end() ? nullptr : &*place;
}

template <class State>
auto* find_index(State& state, const std::string& name) {
  const auto place =
      std::find_if(state.indexes.begin(), state.indexes.end(),
                   [&](const auto& index) { return name.empty() || index.name == name; });
  return place == state.indexes.end() ? nullptr : &*place;
}

}  // namespace

WantedGeneration* WantedIndex::find(const std::string& generation) {
  return find_generation(*this, generation);
}
const WantedGeneration* WantedIndex::find(const std::string& generation) const {
  return find_generation(*this, generation);
}
WantedGeneration* WantedIndex::live() { return find_live(*this); }
const WantedGeneration* WantedIndex::live() const { return find_live(*this); }

WantedIndex* WantedState::find(const std::string& index) { return find_index(*this, index); }
const WantedIndex* WantedState::find(const std::string& index) const {
  return find_index(*this, index);
}

std::vector<Slot> WantedState::wanted_slots() const {
  std::vector<Slot> slots;
  for (const auto& index : indexes) {
    for (const auto& generation : index.generations) {
      Slot slot{index.name, generation.generation, 0, 0};
      for (; slot.shard < generation.shards; ++slot.shard) {
        for (slot.replica = 0; slot.replica < generation.replicas; ++slot.replica) {
          slots.push_back(slot);
        }
      }
    }
  }
  return slots;
}

std::vector<retriever_pool::GenerationView> WantedState::generations() const {
  std::vector<retriever_pool::GenerationView> views;
  for (const bool live : {true, false}) {
    for (const auto& index : indexes) {
      for (const auto& wanted : index.generations) {
        if ((wanted.role == GenerationRole::kLive) != live) continue;
        retriever_pool::GenerationView view{index.name,      wanted.role,        wanted.shards,
                                            wanted.replicas, wanted.description, wanted.snapshot};
        view.index.generation = wanted.generation;
        views.push_back(std::move(view));
      }
    }
  }
  return views;
}

std::string WantedState::to_json() const {
  Json json = {{"schema", kSchema},
               {"colony", colony},
               {"term", term},
               {"indexes", Json::array()},
               {"nodes", Json::array()},
               {"avoid", Json::array()},
               {"drained_agents", drained_agents},
               {"operations", Json::array()}};
  for (const auto& index : indexes) json["indexes"].push_back(index_json(index));
  for (const auto& [slot, node] : nodes) {
    auto entry = slot_json(slot);
    const auto place = placement.find(slot);
    entry["agent"] = place == placement.end() ? std::string() : place->second;
    entry["number"] = node.number;
    entry["run"] = node.run;
    entry["run_wanted"] = node.run_wanted;
    json["nodes"].push_back(std::move(entry));
  }
  for (const auto& [slot, agent] : avoid) {
    auto entry = slot_json(slot);
    entry["agent"] = agent;
    json["avoid"].push_back(std::move(entry));
  }
  for (const auto& operation : operations) json["operations"].push_back(operation_json(operation));
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

WantedState WantedState::from_json(const std::string& text, const std::string& where) {
  try {
    const auto json = Json::parse(text);
    WantedState state;
    json.at("colony").get_to(state.colony);
    json.at("term").get_to(state.term);
    const auto schema = json.value("schema", 1);
    if (schema > kSchema) {
      throw base::UserError(where + ": expected schema " + std::to_string(kSchema) +
                            " of the head's wanted state, got " + std::to_string(schema) +
                            ", of a newer Rookery; start the colony with that one");
    }
    if (schema == 1) {
      read_first_schema(json, state);
    } else {
      read_second_schema(json, state);
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
