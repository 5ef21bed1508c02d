#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "index_tools/manifest.hpp"
#include "index_tools/passage.hpp"

namespace rookery::index_tools {

/// One shard of one generation, mapped. Rows are in rising order of passage id. Immutable: any
/// thread may read.
class SnapshotShard {
 public:
  virtual ~SnapshotShard() = default;
  [[nodiscard]] virtual std::int32_t shard() const = 0;
  [[nodiscard]] virtual std::int64_t count() const = 0;
  [[nodiscard]] virtual std::int32_t dimension() const = 0;
  [[nodiscard]] virtual std::span<const std::int64_t> ids() const = 0;  ///< `[count]`, rising
  [[nodiscard]] virtual std::span<const float> vectors()
      const = 0;  ///< `[count, dimension]`, 64-byte aligned
  [[nodiscard]] virtual PassageView passage(std::int64_t row) const = 0;
  /// The row of a passage id, when it is here.
  [[nodiscard]] virtual std::optional<std::int64_t> row_of(std::int64_t id) const = 0;
};

/// Resolves `NAME` (through `CURRENT`) or `NAME/GENERATION` to the generation's folder.
/// Throws `UserError` with the remedy when there is none.
std::filesystem::path resolve_generation(const std::filesystem::path& snapshot);

/// Reads the manifest of a snapshot (see `resolve_generation`).
Manifest load_manifest(const std::filesystem::path& snapshot);

/// Opens one shard after checking every block of its files against the manifest; damage is a
/// `UserError` that names file and block, before anything is parsed. Checks again, while reading,
/// that sizes and offsets agree.
std::unique_ptr<SnapshotShard> open_shard(const std::filesystem::path& snapshot,
                                          std::int32_t shard);

/// One damaged place.
struct Damage {
  std::string file;         ///< path as the user would name it
  std::int64_t block = -1;  ///< MiB from 0; -1 for the whole file (missing, wrong size, SHA-256)
  std::string message;      ///< a whole sentence with expected and found
};

/// Checks every file of a generation (or of one shard); the sound blocks are counted in
/// `sound_blocks`.
std::vector<Damage> verify_snapshot(const std::filesystem::path& snapshot,
                                    std::optional<std::int32_t> shard, std::int64_t& sound_blocks);

}  // namespace rookery::index_tools
