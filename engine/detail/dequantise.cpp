#include "engine/detail/dequantise.hpp"

#include <array>
#include <bit>
#include <cstring>
#include <stdexcept>

namespace rookery::engine::detail {
namespace {

constexpr std::int64_t kSmallBlock = 32;   // Q4_0, Q4_1, Q8_0
constexpr std::int64_t kSuperBlock = 256;  // the K types

std::uint8_t byte_at(const std::byte* at) { return std::to_integer<std::uint8_t>(*at); }

std::int8_t signed_at(const std::byte* at) { return static_cast<std::int8_t>(byte_at(at)); }

std::uint16_t word_at(const std::byte* at) {
  std::uint16_t word;
  std::memcpy(&word, at, sizeof(word));
  return word;
}

float half_at(const std::byte* at) { return float_from_half(word_at(at)); }

// 2 bytes scale, 16 bytes of two nibbles: low nibbles are the first half of the block.
void block_q4_0(const std::byte* in, float* out) {
  const float scale = half_at(in);
  for (int i = 0; i < 16; ++i) {
    const auto pair = byte_at(in + 2 + i);
    out[i] = scale * static_cast<float>((pair & 15) - 8);
    out[i + 16] = scale * static_cast<float>((pair >> 4) - 8);
  }
}

// 2 bytes scale, 2 bytes minimum, 16 bytes of two nibbles.
void block_q4_1(const std::byte* in, float* out) {
  const float scale = half_at(in);
  const float minimum = half_at(in + 2);
  for (int i = 0; i < 16; ++i) {
    const auto pair = byte_at(in + 4 + i);
    out[i] = scale * static_cast<float>(pair & 15) + minimum;
    out[i + 16] = scale * static_cast<float>(pair >> 4) + minimum;
  }
}

void block_q8_0(const std::byte* in, float* out) {
  const float scale = half_at(in);
  for (int i = 0; i < kSmallBlock; ++i) out[i] = static_cast<float>(signed_at(in + 2 + i)) * scale;
}

// 2 + 2 bytes of scales of scales, 12 bytes of eight 6-bit (scale, minimum) pairs, 128 bytes of
// nibbles: 32 bytes hold two groups of 32 values.
void block_q4_k(const std::byte* in, float* out) {
  const float scale = half_at(in);
  const float minimum = half_at(in + 2);
  const std::byte* packed = in + 4;
  const std::byte* nibbles = in + 16;
  for (int group = 0; group < 8; ++group) {
    int scale_code = 0;
    int minimum_code = 0;
    if (group < 4) {
      scale_code = byte_at(packed + group) & 63;
      minimum_code = byte_at(packed + group + 4) & 63;
    } else {
      const auto low = byte_at(packed + group + 4);
      scale_code = (low & 15) | ((byte_at(packed + group - 4) >> 6) << 4);
      minimum_code = (low >> 4) | ((byte_at(packed + group) >> 6) << 4);
    }
    const float group_scale = scale * static_cast<float>(scale_code);
    const float group_minimum = minimum * static_cast<float>(minimum_code);
    for (int i = 0; i < 32; ++i) {
      const auto pair = byte_at(nibbles + (group / 2) * 32 + i);
      const int code = group % 2 == 0 ? pair & 15 : pair >> 4;
      out[group * 32 + i] = group_scale * static_cast<float>(code) - group_minimum;
    }
  }
}

// 128 bytes of low nibbles, 64 bytes of high bit pairs, 16 signed scales, 2 bytes scale of scales;
// each half of 128 values uses 64, 32 and 8 of them.
void block_q6_k(const std::byte* in, float* out) {
  const float scale = half_at(in + 208);
  for (int half = 0; half < 2; ++half) {
    const std::byte* low = in + half * 64;
    const std::byte* high = in + 128 + half * 32;
    const std::byte* scales = in + 192 + half * 8;
    for (int quarter = 0; quarter < 4; ++quarter) {
      for (int i = 0; i < 32; ++i) {
        const auto pair = byte_at(low + (quarter % 2) * 32 + i);
        const int nibble = quarter < 2 ? pair & 15 : pair >> 4;
        const int bits = (byte_at(high + i) >> (2 * quarter)) & 3;
        const int code = (nibble | (bits << 4)) - 32;
        const float group_scale =
            scale * static_cast<float>(signed_at(scales + quarter * 2 + i / 16));
        out[half * 128 + quarter * 32 + i] = group_scale * static_cast<float>(code);
      }
    }
  }
}

using BlockReader = void (*)(const std::byte*, float*);

void each_block(BlockReader read, QuantBlock block, const std::byte* in, std::span<float> values) {
  const auto blocks = static_cast<std::int64_t>(values.size()) / block.elements;
  for (std::int64_t b = 0; b < blocks; ++b)
    read(in + b * block.bytes, values.data() + b * block.elements);
}

}  // namespace

std::optional<QuantBlock> quant_block(std::uint32_t type) {
  switch (static_cast<QuantType>(type)) {
    case QuantType::kF32:
      return QuantBlock{1, 4};
    case QuantType::kF16:
    case QuantType::kBF16:
      return QuantBlock{1, 2};
    case QuantType::kQ4_0:
      return QuantBlock{kSmallBlock, 18};
    case QuantType::kQ4_1:
      return QuantBlock{kSmallBlock, 20};
    case QuantType::kQ8_0:
      return QuantBlock{kSmallBlock, 34};
    case QuantType::kQ4_K:
      return QuantBlock{kSuperBlock, 144};
    case QuantType::kQ6_K:
      return QuantBlock{kSuperBlock, 210};
  }
  return std::nullopt;
}

std::string quant_name(std::uint32_t type) {
  static constexpr std::array<const char*, 31> kNames = {
      "F32",     "F16",    "Q4_0",    "Q4_1",  "",       "",      "Q5_0",  "Q5_1",
      "Q8_0",    "Q8_1",   "Q2_K",    "Q3_K",  "Q4_K",   "Q5_K",  "Q6_K",  "Q8_K",
      "IQ2_XXS", "IQ2_XS", "IQ3_XXS", "IQ1_S", "IQ4_NL", "IQ3_S", "IQ2_S", "IQ4_XS",
      "I8",      "I16",    "I32",     "I64",   "F64",    "IQ1_M", "BF16"};
  if (type < kNames.size() && *kNames[type] != '\0') return kNames[type];
  return "type " + std::to_string(type);
}

float float_from_half(std::uint16_t half) {
  const std::uint32_t sign = static_cast<std::uint32_t>(half & 0x8000U) << 16;
  const std::uint32_t exponent = (half >> 10) & 31U;
  const std::uint32_t fraction = half & 1023U;
  if (exponent == 0) {  // zero or subnormal: fraction · 2^-24, exact in float
    const float magnitude = static_cast<float>(fraction) * 0x1p-24F;
    return sign != 0 ? -magnitude : magnitude;
  }
  if (exponent == 31) return std::bit_cast<float>(sign | 0x7f800000U | (fraction << 13));
  return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (fraction << 13));
}

float float_from_bfloat(std::uint16_t bits) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
}

void dequantise(QuantType type, std::span<const std::byte> bytes, std::span<float> values) {
  const auto block = quant_block(static_cast<std::uint32_t>(type));
  if (!block || values.size() % static_cast<std::size_t>(block->elements) != 0 ||
      values.size() / static_cast<std::size_t>(block->elements) *
              static_cast<std::size_t>(block->bytes) !=
          bytes.size()) {
    throw std::invalid_argument("dequantise: " + std::to_string(bytes.size()) + " bytes are not " +
                                std::to_string(values.size()) + " values of " +
                                quant_name(static_cast<std::uint32_t>(type)));
  }
  if (values.empty()) return;
  const std::byte* in = bytes.data();
  switch (type) {
    case QuantType::kF32:
      std::memcpy(values.data(), in, bytes.size());
      return;
    case QuantType::kF16:
      for (std::size_t i = 0; i < values.size(); ++i) values[i] = half_at(in + 2 * i);
      return;
    case QuantType::kBF16:
      for (std::size_t i = 0; i < values.size(); ++i)
        values[i] = float_from_bfloat(word_at(in + 2 * i));
      return;
    case QuantType::kQ4_0:
      return each_block(block_q4_0, *block, in, values);
    case QuantType::kQ4_1:
      return each_block(block_q4_1, *block, in, values);
    case QuantType::kQ8_0:
      return each_block(block_q8_0, *block, in, values);
    case QuantType::kQ4_K:
      return each_block(block_q4_k, *block, in, values);
    case QuantType::kQ6_K:
      return each_block(block_q6_k, *block, in, values);
  }
}

}  // namespace rookery::engine::detail
