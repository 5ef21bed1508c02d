#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "index_tools/manifest.hpp"

namespace rookery::index_tools::detail {

/// Names a generation after its build key and its files, writes `manifest.json` into `work`, makes
/// it durable, renames the folder to `NAME/GENERATION` (an older folder of that name is exchanged
/// and removed) and replaces `NAME/CURRENT`. Until the rename no reader sees any of it.
void publish_generation(const std::filesystem::path& name, const std::filesystem::path& work,
                        Manifest& manifest);

/// Points `NAME/CURRENT` at a generation that is there.
void point_current(const std::filesystem::path& name, const std::string& generation);

/// A generation of this build key that is whole and sound, if there is one.
std::optional<Manifest> find_sound_generation(const std::filesystem::path& name,
                                              const std::string& build_key);

/// The build key of rows (`content_key`) in so many shards with these indexes.
std::string layout_key(const Manifest& manifest, std::size_t shards);

}  // namespace rookery::index_tools::detail
