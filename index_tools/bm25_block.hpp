#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace rookery::index_tools {

inline constexpr std::int32_t kBm25BlockPostings = 128;

/// Up to 128 postings of one term, as the record lies in the file: gaps between rows minus one,
/// then frequencies minus one, each a stream of bits from the lowest of each byte on, each begun at
/// a byte. The first gap counts from the last row of the block before, from -1 in the first.
struct Bm25Block {
  std::uint64_t offset;         ///< of its bytes in the data
  std::uint32_t last_row;       ///< of the shard
  std::uint16_t ratio_max;      ///< (value + 1) / 65536 bounds every posting's `Bm25Formula::ratio`
  std::uint8_t row_bits;        ///< [0, 31]
  std::uint8_t frequency_bits;  ///< [0, 31]

  [[nodiscard]] double ratio_bound() const { return (ratio_max + 1) / 65536.0; }
};
static_assert(sizeof(Bm25Block) == 16);

inline std::int64_t bm25_packed_bytes(std::int32_t count, std::uint32_t bits) {
  return (std::int64_t{count} * bits + 7) / 8;
}

/// Number `index` of a stream of `bits` each, [0, 31]. Reads up to 8 bytes from where it begins:
/// the data of a file ends with bytes to spare.
inline std::uint32_t bm25_packed_value(const std::byte* stream, std::uint32_t bits,
                                       std::int32_t index) {
  const std::int64_t bit = std::int64_t{index} * bits;
  std::uint64_t word = 0;
  std::memcpy(&word, stream + bit / 8, sizeof word);
  return static_cast<std::uint32_t>((word >> (bit % 8)) & ((std::uint64_t{1} << bits) - 1));
}

}  // namespace rookery::index_tools
