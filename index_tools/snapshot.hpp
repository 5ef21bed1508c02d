#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "index_tools/manifest.hpp"
#include "index_tools/passage.hpp"
#include "index_tools/vector_math.hpp"

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
  /// What the vectors are; kNone where there are none (a BM25 snapshot): dimension 0.
  [[nodiscard]] virtual VectorType vector_type() const { return VectorType::kFloat32; }
  /// `[count, dimension]`, 64-byte aligned; empty unless the type is float32.
  [[nodiscard]] virtual std::span<const float> vectors() const = 0;
  /// The same as IEEE binary16; empty unless the type is float16.
  [[nodiscard]] virtual std::span<const std::uint16_t> half_vectors() const { return {}; }
  /// What the keys of a kNN datastore stand for, `[count]`; empty where there are none.
  [[nodiscard]] virtual std::span<const std::int32_t> values() const { return {}; }
  /// The bytes of an index file (`int8`, `hnsw`, `ivfpq`, `bm25`); empty when it is not there.
  [[nodiscard]] virtual std::span<const std::byte> file(std::string_view /*name*/) const {
    return {};
  }
  [[nodiscard]] virtual PassageView passage(std::int64_t row) const = 0;
  /// The row of a passage id, when it is here.
  [[nodiscard]] virtual std::optional<std::int64_t> row_of(std::int64_t id) const = 0;
};

/// The vector of a row as floats, whatever its type. `out` is `[dimension]`.
void copy_vector(const SnapshotShard& shard, std::int64_t row, std::span<float> out);

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
