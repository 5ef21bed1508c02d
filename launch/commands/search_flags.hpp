#pragma once

#include "launch/search_mode.hpp"

namespace CLI {
class App;
}

namespace rookery::launch {

/// What several commands let a user say about a search, besides the kind.
struct SearchFlags {
  retriever_pool::SearchTuning tuning;
  FilterArguments filter;
};

/// Adds `--ef-search`, `--nprobe`, `--candidates` and the filters. `flags` outlives the command.
void add_search_flags(CLI::App& command, SearchFlags& flags);

}  // namespace rookery::launch
