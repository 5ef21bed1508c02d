#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "actors/placement.hpp"
#include "retriever_pool/routing_view.hpp"

namespace rookery::actors {

/// One generation that the colony serves.
struct WantedGeneration {
  std::string generation;
  std::string snapshot;  ///< its folder
  retriever_pool::GenerationRole role = retriever_pool::GenerationRole::kPreparing;
  std::int32_t shards = 0, replicas = 0;
  /// From the manifest at `snapshot`; not kept on disk.
  retriever_pool::IndexDescription description = {};
};

/// How the nodes of an index answer where a query does not say; from the colony file.
struct IndexSettings {
  std::string kind = {};  ///< empty: what the snapshot has
  std::int32_t ef_search = 0, nprobe = 0, candidates = 0;
  std::string filter_file = {};
  friend bool operator==(const IndexSettings&, const IndexSettings&) = default;
};

/// One named index.
struct WantedIndex {
  std::string name;
  std::string path = {};                 ///< of the colony file, absolute
  std::int32_t replicas_configured = 0;  ///< what the colony file said when this was made
  IndexSettings settings = {};
  std::vector<WantedGeneration> generations = {};  ///< at most one is live

  [[nodiscard]] WantedGeneration* find(const std::string& generation);
  [[nodiscard]] const WantedGeneration* find(const std::string& generation) const;
  [[nodiscard]] WantedGeneration* live();
  [[nodiscard]] const WantedGeneration* live() const;
};

/// One process that shall run.
struct WantedNode {
  std::int32_t number = 0;      ///< it is called `node-NUMBER`
  std::int64_t run = 0;         ///< as `NodeSpec::run`
  std::int64_t run_wanted = 0;  ///< above `run`: it shall be started anew when its turn comes
  [[nodiscard]] std::string name() const { return "node-" + std::to_string(number); }
  friend bool operator==(const WantedNode&, const WantedNode&) = default;
};

/// A change that takes its time: what somebody asked for, and how far it is.
struct Operation {
  std::int64_t id = 0;
  std::string action;  ///< "scale", "restart", "drain", "move"
  std::string index;
  std::string node = {}, agent = {};  ///< of restart and drain, where it is about one
  std::string state = "running";      ///< "running", "done", "failed"
  std::int32_t step = 0, of = 0;
  std::string text = {};  ///< for people
  std::string reason =
      {};  ///< in front of `text`: why the colony itself does it; empty: somebody asked
  friend bool operator==(const Operation&, const Operation&) = default;
};

/// What the head keeps on disk (`wanted.json`): enough for its successor to go on.
struct WantedState {
  static constexpr std::int32_t kSchema = 2;

  std::string colony;
  std::uint64_t term = 0;                 ///< rises with every start of a head
  std::vector<WantedIndex> indexes = {};  ///< the default one first
  std::map<Slot, WantedNode> nodes = {};  ///< what shall run now; a slot that leaves is not there
  Placement placement = {};               ///< of `nodes`; one without a place runs nowhere
  Placement avoid = {};                   ///< drained nodes: the slot and the agent it must leave
  std::vector<std::string> drained_agents = {};
  std::vector<Operation> operations = {};  ///< the last ones, by rising id

  /// The index of that name, the default one for an empty name; null when there is none.
  [[nodiscard]] WantedIndex* find(const std::string& index);
  [[nodiscard]] const WantedIndex* find(const std::string& index) const;
  /// Replicas 0 … n-1 of every shard of every generation, in order: what runs in the end.
  [[nodiscard]] std::vector<Slot> wanted_slots() const;
  /// As clients see them, the default index's live one first.
  [[nodiscard]] std::vector<retriever_pool::GenerationView> generations() const;

  [[nodiscard]] std::string to_json() const;
  /// Reads this schema and the first one (one index, one generation). Throws `UserError` naming
  /// `where` for a damaged file.
  static WantedState from_json(const std::string& text, const std::string& where);
  /// Nothing when the file does not exist.
  static std::optional<WantedState> load(const std::filesystem::path& path);
  void save(const std::filesystem::path& path) const;
};

}  // namespace rookery::actors
