#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace rookery::base::detail {

/// The two ways to CRC-32C, equal bit for bit; `base::crc32c` picks one when it is first called.
std::uint32_t crc32c_table(std::span<const std::byte> bytes, std::uint32_t seed);

/// True when this processor has the SSE4.2 instruction.
bool has_crc32c_instruction();
/// May be called only where `has_crc32c_instruction()`; elsewhere throws `std::logic_error`.
std::uint32_t crc32c_hardware(std::span<const std::byte> bytes, std::uint32_t seed);

}  // namespace rookery::base::detail
