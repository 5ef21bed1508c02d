#pragma once

#include <filesystem>
#include <string>

#include "actors/pool_options.hpp"
#include "base/stop_signal.hpp"
#include "index_tools/manifest.hpp"

namespace rookery::actors {

struct HeadOptions {
  std::string colony;
  std::filesystem::path config;  ///< the colony file, named in messages and records
  IndexOptions index;
  PoolOptions pool;
  std::filesystem::path trace = {};  ///< file; empty: nothing is traced
};

/// What the head checks before it starts: the snapshot is there, and its shards are those of the
/// file. Throws as `run_head`.
index_tools::Manifest check_colony(const HeadOptions& options);

/// `rookery head`: registry, supervisor, routing views and the admin pages, until a signal comes.
/// Nodes and clients go on without it; its successor has the next term and rebuilds the view.
/// Throws `UserError` for a snapshot that is missing or damaged, a count of shards that is not the
/// snapshot's, a port in use, or a colony that has a head already.
void run_head(const HeadOptions& options, const base::StopSignal& stop);

}  // namespace rookery::actors
