#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

#include "index_tools/snapshot.hpp"

namespace rookery::index_tools {

namespace detail {
class GenerationFile;
}

/// Sums of products of bytes stay within 32 bits up to here.
inline constexpr std::int32_t kInt8DimensionMax = 32'768;

/// The `int8` file of a shard: every row as bytes with a scale, and exact bounds of what the
/// rounding lost (specs/kernels.md, "Exact through int8"). Views into the mapped bytes.
///
/// Row d has scale s = max|d| / 127 and integers c in [-127, 127] with d ≈ s c; `errors` holds
/// ‖d − s c‖ and `norms` ‖s c‖, computed in double and rounded up to float. A row that is too small
/// for a scale (below about 1e-43) has scale 0, codes of 0 and itself as error.
///
/// File: magic, version, dimension, count, stride in the first 64 bytes; codes; then scales, errors
/// and norms, each filled up with zeros to a multiple of 64 bytes.
struct Int8Codes {
  std::int64_t count = 0;
  std::int32_t dimension = 0;
  std::int32_t stride = 0;              ///< bytes a row, a multiple of 64
  const std::uint8_t* codes = nullptr;  ///< `[count, stride]`, c + 128, the padding is 128; 64-byte
                                        ///< aligned
  std::span<const float> scales, errors, norms;  ///< `[count]` each

  /// Checks sizes and every scale and bound before they are used. Throws `UserError` naming
  /// `where`.
  static Int8Codes open(std::span<const std::byte> bytes, std::int64_t count,
                        std::int32_t dimension, const std::string& where);
};

/// What one row becomes.
struct Int8Row {
  float scale = 0, error = 0, norm = 0;  ///< as in `Int8Codes`
};
/// Bytes a row takes in the file.
std::int32_t int8_stride(std::int32_t dimension);
/// Writes `int8_stride` bytes to `codes`. `vector` is finite and no longer than 1e18.
Int8Row quantise_row(std::span<const float> vector, std::uint8_t* codes);

/// Quantises the vectors of a shard (float32 or float16) into `file`. Streams: needs memory for one
/// row, and 12 bytes a row for the bounds. Throws `UserError` when there are no vectors, when their
/// dimension is above `kInt8DimensionMax`, or when one holds NaN or infinity or is longer than 1e18
/// (by row).
void write_int8_codes(const SnapshotShard& shard, detail::GenerationFile& file);
/// The same as a file of its own, `folder / name`, outside of any snapshot.
void write_int8_codes(const SnapshotShard& shard, const std::filesystem::path& folder,
                      const std::string& name);

}  // namespace rookery::index_tools
