#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "base/atomic_file.hpp"

namespace rookery::testing {

/// The bytes of every file below a folder, by its relative path.
inline std::map<std::string, std::string> files_below(const std::filesystem::path& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file()) {
      files[std::filesystem::relative(entry.path(), folder).string()] =
          base::read_file(entry.path());
    }
  }
  return files;
}

}  // namespace rookery::testing
