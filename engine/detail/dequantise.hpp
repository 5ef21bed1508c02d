#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

namespace rookery::engine::detail {

/// GGML's tensor types that we read; the numbers are those in the file.
enum class QuantType : std::uint32_t {
  kF32 = 0,
  kF16 = 1,
  kQ4_0 = 2,
  kQ4_1 = 3,
  kQ8_0 = 8,
  kQ4_K = 12,
  kQ6_K = 14,
  kBF16 = 30,
};

/// How a type is laid out: blocks of `elements` values in `bytes` bytes.
struct QuantBlock {
  std::int64_t elements = 1;
  std::int64_t bytes = 0;
};

/// Empty for a type that we do not read.
std::optional<QuantBlock> quant_block(std::uint32_t type);

/// The name of any GGML type, for messages; `type 99` where it has none.
std::string quant_name(std::uint32_t type);

/// Writes `values.size()` floats. `bytes` must hold exactly that many values of `type`, whole
/// blocks. The products are rounded in the order of gguf-py's dequantiser, so the values equal
/// those that transformers loads.
void dequantise(QuantType type, std::span<const std::byte> bytes, std::span<float> values);

/// IEEE half precision, exactly.
float float_from_half(std::uint16_t half);
/// bfloat16, exactly.
float float_from_bfloat(std::uint16_t bits);

}  // namespace rookery::engine::detail
