#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "index_tools/snapshot.hpp"

namespace rookery::index_tools {

namespace detail {
class GenerationFile;
}

/// The `int8` file of a shard: every row as bytes with a scale, and exact bounds of what the
/// rounding lost (specs/kernels.md, "Exact through int8"). Views into the mapped bytes.
///
/// Row d has scale s = max|d| / 127 and integers c in [-127, 127] with d ≈ s c; `errors` holds
/// ‖d − s c‖ and `norms` ‖s c‖, computed in double and rounded up to float.
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

/// Quantises the vectors of a shard (float32 or float16) into `file`. Streams: needs no more memory
/// than one row.
void write_int8_codes(const SnapshotShard& shard, detail::GenerationFile& file);

}  // namespace rookery::index_tools
