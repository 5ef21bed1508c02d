#pragma once

#include <CLI/CLI.hpp>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "base/error.hpp"

namespace rookery::launch {

/// `--keys FILE|DIR`: kept in ROOKERY_KEYS, where all of the process and the ranks and nodes that
/// it starts look for them.
inline void add_keys_flag(CLI::App& command) {
  command.add_option_function<std::string>(
      "--keys",
      [](const std::string& path) {
        if (!std::filesystem::exists(path)) {
          throw base::UserError(
              "--keys: expected a client's key file or a colony's key folder, got '" + path +
              "', which is not there; see rookery keys --help");
        }
        ::setenv("ROOKERY_KEYS", std::filesystem::absolute(path).c_str(), 1);
      },
      "a client's key file, or the colony's key folder (default: $ROOKERY_KEYS, else the running "
      "colony's own)");
}

/// Uses the keys of a colony that runs on this host where none were given.
inline void use_keys_of_colony(const std::string& folder) {
  if (!folder.empty()) ::setenv("ROOKERY_KEYS", folder.c_str(), 0);
}

}  // namespace rookery::launch
