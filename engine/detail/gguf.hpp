#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <variant>
#include <vector>

namespace rookery::engine::detail {

/// One metadata value. Integers of every width become int64, floats double.
using GgufValue = std::variant<std::int64_t, double, bool, std::string, std::vector<std::int64_t>,
                               std::vector<double>, std::vector<std::string>>;

/// Where a tensor lies. `shape` is row-major (the file stores the sizes in reverse).
struct GgufTensor {
  std::string name;
  std::vector<std::int64_t> shape;
  std::uint32_t type = 0;  ///< GGML's number, one that `quant_block` knows
  std::int64_t elements = 0;
  std::span<const std::byte> bytes;  ///< into the file's bytes, exactly as many as the type needs
};

/// The directory of a GGUF file, versions 2 and 3, little-endian.
struct GgufFile {
  std::map<std::string, GgufValue> metadata;
  std::vector<GgufTensor> tensors;
};

/// Reads the directory; nothing that the file claims is allocated before it was compared with the
/// bytes at hand. The result points into `bytes`. `file` stands for them in messages. Throws
/// `UserError` for a wrong magic or version, truncation, an unknown type, and tensors that overlap
/// or leave the file. Format: ggml's docs/gguf.md.
GgufFile parse_gguf(std::span<const std::byte> bytes, const std::string& file);

}  // namespace rookery::engine::detail
