#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "actors/colony_folder.hpp"
#include "actors/pool_options.hpp"
#include "actors/wanted_state.hpp"
#include "index_tools/manifest.hpp"

namespace rookery::actors {

struct NodeSpec;

struct HeadOptions {
  std::string colony;
  std::filesystem::path config;  ///< the colony file, named in messages and records
  IndexOptions index;            ///< the default one
  PoolOptions pool;
  std::vector<IndexOptions> indexes = {};  ///< further ones
  std::filesystem::path trace = {};        ///< file; empty: nothing is traced
};

/// What the head checks before it starts: the snapshots are there, with the kinds that the file
/// names, and the default one's shards are those of the file. Throws as `run_head`. Returns the
/// default one's manifest.
index_tools::Manifest check_colony(const HeadOptions& options);

/// A generation at a folder, as clients shall see it: what the manifest says, with the default kind
/// of `settings`. `where` names the setting in messages. Throws `UserError` for a snapshot that is
/// missing or damaged, or lacks the kind.
WantedGeneration describe_generation(const std::filesystem::path& snapshot,
                                     const IndexSettings& settings, const std::string& where);

/// What the head that starts now wants. After a head that died it goes on with what that one
/// wanted (generations, replicas, placement, operations under way), as far as the file still names
/// the same snapshots; after `rookery down` the file alone decides. The term is the next one.
/// Throws `UserError` as `check_colony`.
WantedState next_wanted(const ColonyFolder& folder, const HeadOptions& options);

/// What all nodes share.
NodeSpec node_pattern(const PoolOptions& pool);

}  // namespace rookery::actors
