#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "actors/placement.hpp"

namespace rookery::actors {

/// What the head keeps on disk (`wanted.json`): enough for its successor to rebuild the view.
struct WantedState {
  std::string colony;
  std::uint64_t term = 0;  ///< rises with every start of a head
  std::int32_t shards = 0, replicas = 0;
  std::string snapshot;  ///< the generation's folder
  std::string generation;
  Placement placement;  ///< where slots were last

  [[nodiscard]] std::string to_json() const;
  /// Throws `UserError` naming `where` for a damaged file.
  static WantedState from_json(const std::string& text, const std::string& where);
  /// Nothing when the file does not exist.
  static std::optional<WantedState> load(const std::filesystem::path& path);
  void save(const std::filesystem::path& path) const;
};

}  // namespace rookery::actors
