#include "retriever_pool/routing_view.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <limits>
#include <optional>
#include <set>
#include <stdexcept>
#include <utility>

namespace rookery::retriever_pool {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kMembersMax = 65536;
constexpr std::size_t kGenerationsMax = 1024;
constexpr std::array kRoles = {std::pair{GenerationRole::kLive, "live"},
                               std::pair{GenerationRole::kRetired, "retired"},
                               std::pair{GenerationRole::kPreparing, "preparing"}};
constexpr std::array kStates = {
    std::pair{ReplicaState::kJoining, "joining"}, std::pair{ReplicaState::kLoading, "loading"},
    std::pair{ReplicaState::kReady, "ready"}, std::pair{ReplicaState::kDraining, "draining"},
    std::pair{ReplicaState::kGone, "gone"}};

[[noreturn]] void refuse(const std::string& what) {
  throw std::invalid_argument("routing view: " + what);
}

const Json& member(const Json& object, const char* key) {
  if (!object.is_object() || !object.contains(key)) refuse(std::string("no ") + key);
  return object[key];
}

std::string text_of(const Json& object, const char* key) {
  const Json& value = member(object, key);
  if (!value.is_string()) refuse(std::string(key) + ": expected text");
  return value.get<std::string>();
}

template <typename T>
T number_of(const Json& object, const char* key, T low, T high) {
  const Json& value = member(object, key);
  if (value.is_number_unsigned()) {
    const auto number = value.get<std::uint64_t>();
    if (std::cmp_greater_equal(number, low) && std::cmp_less_equal(number, high)) {
      return static_cast<T>(number);
    }
  } else if (value.is_number_integer()) {
    const auto number = value.get<std::int64_t>();
    if (std::cmp_greater_equal(number, low) && std::cmp_less_equal(number, high)) {
      return static_cast<T>(number);
    }
  }
  refuse(std::string(key) + ": expected an integer in [" + std::to_string(low) + ", " +
         std::to_string(high) + "], got " + value.dump().substr(0, 40));
}

template <typename T>
T count_of(const Json& object, const char* key) {
  return number_of<T>(object, key, 0, std::numeric_limits<T>::max());
}

ReplicaState state_of(const std::string& name) {
  for (const auto& [state, text] : kStates) {
    if (name == text) return state;
  }
  refuse("state: expected joining, loading, ready, draining or gone, got '" + name + "'");
}

Json kinds_json(const std::vector<index_tools::IndexKind>& kinds) {
  Json names = Json::array();
  for (const auto kind : kinds) names.push_back(index_tools::to_string(kind));
  return names;
}

std::optional<index_tools::IndexKind> kind_named(const std::string& name) {
  for (const auto kind : index_tools::index_kinds()) {
    if (index_tools::to_string(kind) == name) return kind;
  }
  return std::nullopt;
}

/// Heads of an older version tell no kinds, newer ones may tell kinds that are not known here.
void read_kinds(const Json& json, IndexDescription& index) {
  if (!json.contains("kinds")) return;
  const Json& kinds = json["kinds"];
  if (!kinds.is_array() || kinds.size() > 64) refuse("kinds: expected a list of at most 64");
  std::set<index_tools::IndexKind> known;
  for (const Json& name : kinds) {
    if (!name.is_string()) refuse("kinds: expected names");
    if (const auto kind = kind_named(name.get<std::string>())) known.insert(*kind);
  }
  index.kinds.assign(known.begin(), known.end());
  if (const auto kind = kind_named(text_of(json, "default_kind"))) index.default_kind = *kind;
}

Json index_json(const IndexDescription& index) {
  return {{"kinds", kinds_json(index.kinds)},
          {"default_kind", index_tools::to_string(index.default_kind)},
          {"generation", index.generation},
          {"files_digest", index.files_digest},
          {"metric", index.metric},
          {"encoder_hash", index.encoder_hash},
          {"encoder_name", index.encoder_name},
          {"pooling", index.pooling},
          {"normalised", index.normalised},
          {"dimension", index.dimension},
          {"shards", index.shards},
          {"passages", index.passages},
          {"sources", index.sources}};
}

IndexDescription read_index(const Json& json) {
  IndexDescription index;
  index.generation = text_of(json, "generation");
  index.metric = text_of(json, "metric");
  index.encoder_hash = text_of(json, "encoder_hash");
  index.encoder_name = text_of(json, "encoder_name");
  index.pooling = text_of(json, "pooling");
  const Json& normalised = member(json, "normalised");
  if (!normalised.is_boolean()) refuse("normalised: expected true or false");
  index.normalised = normalised.get<bool>();
  index.dimension = number_of<std::int32_t>(json, "dimension", 0, 65536);
  index.shards = number_of<std::int32_t>(json, "shards", 0, 65536);
  index.passages = count_of<std::int64_t>(json, "passages");
  index.sources = count_of<std::int64_t>(json, "sources");
  if (json.contains("files_digest")) index.files_digest = text_of(json, "files_digest");
  read_kinds(json, index);
  return index;
}

Json replica_json(const ReplicaView& replica) {
  return {{"index", replica.index},           {"shard", replica.shard},
          {"replica", replica.replica},       {"node", replica.node},
          {"endpoint", replica.endpoint},     {"state", to_string(replica.state)},
          {"generation", replica.generation}, {"pid", replica.pid},
          {"queue", replica.queue},           {"served", replica.served},
          {"restarts", replica.restarts},     {"host", replica.host}};
}

ReplicaView read_replica(const Json& json) {
  ReplicaView replica;
  replica.index = text_of(json, "index");
  replica.shard = number_of<std::int32_t>(json, "shard", 0, 65535);
  replica.replica = number_of<std::int32_t>(json, "replica", 0, 65535);
  replica.node = text_of(json, "node");
  replica.endpoint = text_of(json, "endpoint");
  replica.state = state_of(text_of(json, "state"));
  replica.generation = text_of(json, "generation");
  replica.pid = count_of<std::int64_t>(json, "pid");
  replica.queue = count_of<std::int64_t>(json, "queue");
  replica.served = count_of<std::int64_t>(json, "served");
  replica.restarts = count_of<std::int32_t>(json, "restarts");
  replica.host = text_of(json, "host");
  return replica;
}

GenerationRole role_of(const std::string& name) {
  for (const auto& [role, text] : kRoles) {
    if (name == text) return role;
  }
  refuse("role: expected live, retired or preparing, got '" + name + "'");
}

Json generation_json(const GenerationView& generation) {
  return {{"index_name", generation.index_name},   {"role", to_string(generation.role)},
          {"shards", generation.shards},           {"replicas", generation.replicas},
          {"index", index_json(generation.index)}, {"snapshot", generation.snapshot}};
}

GenerationView read_generation(const Json& json) {
  GenerationView generation;
  generation.index_name = text_of(json, "index_name");
  generation.role = role_of(text_of(json, "role"));
  generation.shards = number_of<std::int32_t>(json, "shards", 0, 65536);
  generation.replicas = number_of<std::int32_t>(json, "replicas", 0, 65536);
  generation.index = read_index(member(json, "index"));
  generation.snapshot = text_of(json, "snapshot");
  return generation;
}

std::vector<std::int32_t> ready_replicas(const RoutingView& view,
                                         const GenerationView& generation) {
  std::vector<std::int32_t> ready(static_cast<std::size_t>(std::max(generation.shards, 0)), 0);
  for (const ReplicaView& replica : view.members) {
    if (replica.state == ReplicaState::kReady && replica.index == generation.index_name &&
        replica.generation == generation.index.generation && replica.shard >= 0 &&
        replica.shard < generation.shards) {
      ++ready[static_cast<std::size_t>(replica.shard)];
    }
  }
  return ready;
}

/// Does it hold for every live generation? False where there is none.
template <typename Holds>
bool for_all_live(const RoutingView& view, Holds holds) {
  bool any = false;
  for (const GenerationView& generation : view.generations) {
    if (generation.role != GenerationRole::kLive) continue;
    if (!holds(generation)) return false;
    any = true;
  }
  return any;
}

/// A list of at most `count_max` elements.
const Json& list_of(const Json& json, const char* key, std::size_t count_max) {
  const Json& list = member(json, key);
  if (!list.is_array() || list.size() > count_max) {
    refuse(std::string(key) + ": expected a list of at most " + std::to_string(count_max));
  }
  return list;
}

}  // namespace

std::string to_string(ReplicaState state) {
  for (const auto& [known, text] : kStates) {
    if (known == state) return text;
  }
  return "gone";
}

std::string to_string(GenerationRole role) {
  for (const auto& [known, text] : kRoles) {
    if (known == role) return text;
  }
  return "preparing";
}

const GenerationView* RoutingView::live(const std::string& index_name) const {
  for (const GenerationView& generation : generations) {
    if (generation.role != GenerationRole::kLive) continue;
    if (index_name.empty() || generation.index_name == index_name) return &generation;
  }
  return nullptr;
}

const GenerationView* RoutingView::find(const std::string& index_name,
                                        const std::string& generation) const {
  const GenerationView* first = index_name.empty() ? live() : nullptr;
  const std::string& name = first != nullptr ? first->index_name : index_name;
  for (const GenerationView& known : generations) {
    if (known.index_name == name && known.index.generation == generation) return &known;
  }
  return nullptr;
}

std::string RoutingView::to_json() const {
  Json json = {{"colony", colony},
               {"term", term},
               {"epoch", epoch},
               {"generations", Json::array()},
               {"members", Json::array()}};
  for (const GenerationView& generation : generations) {
    json["generations"].push_back(generation_json(generation));
  }
  for (const ReplicaView& replica : members) json["members"].push_back(replica_json(replica));
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

RoutingView RoutingView::from_json(const std::string& text) {
  const Json json = Json::parse(text, nullptr, false);
  if (json.is_discarded()) refuse("expected JSON");
  RoutingView view;
  view.colony = text_of(json, "colony");
  view.term = count_of<std::uint64_t>(json, "term");
  view.epoch = count_of<std::uint64_t>(json, "epoch");
  for (const Json& generation : list_of(json, "generations", kGenerationsMax)) {
    view.generations.push_back(read_generation(generation));
  }
  for (const Json& replica : list_of(json, "members", kMembersMax)) {
    view.members.push_back(read_replica(replica));
  }
  return view;
}

bool RoutingView::serves_all_shards(const GenerationView& generation) const {
  const auto ready = ready_replicas(*this, generation);
  return !ready.empty() && std::all_of(ready.begin(), ready.end(), [](auto n) { return n > 0; });
}

bool RoutingView::serves_all_shards() const {
  return for_all_live(*this, [this](const auto& live) { return serves_all_shards(live); });
}

bool RoutingView::complete(const GenerationView& generation) const {
  const auto ready = ready_replicas(*this, generation);
  return !ready.empty() &&
         std::all_of(ready.begin(), ready.end(), [&](auto n) { return n >= generation.replicas; });
}

bool RoutingView::complete() const {
  return for_all_live(*this, [this](const auto& live) { return complete(live); });
}

}  // namespace rookery::retriever_pool
