#include "base/checksum.hpp"
#include "base/detail/crc32c.hpp"
#include "tests/support/seed.hpp"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

namespace rookery::base {
namespace {

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text));
}

/// Bit by bit after the definition.
std::uint32_t naive_crc32c(std::span<const std::byte> bytes) {
  std::uint32_t value = 0xFFFFFFFF;
  for (const auto byte : bytes) {
    value ^= std::to_integer<std::uint32_t>(byte);
    for (int bit = 0; bit < 8; ++bit) {
      value = (value & 1) != 0 ? (value >> 1) ^ 0x82F63B78 : value >> 1;
    }
  }
  return ~value;
}

TEST(Crc32cTest, EqualsPublishedVectors) {
  EXPECT_EQ(crc32c(bytes_of("123456789")), 0xE3069283u);
  EXPECT_EQ(crc32c(bytes_of("")), 0u);
  // RFC 3720, B.4: 32 bytes of zeroes, of ones, and rising.
  EXPECT_EQ(crc32c(bytes_of(std::string(32, '\0'))), 0x8A9136AAu);
  EXPECT_EQ(crc32c(bytes_of(std::string(32, '\xFF'))), 0x62A8AB43u);
  std::string rising;
  for (char i = 0; i < 32; ++i) rising += i;
  EXPECT_EQ(crc32c(bytes_of(rising)), 0x46DD794Eu);
}

TEST(Crc32cTest, TableAndInstructionEqualTheDefinitionAtEveryLengthAndOffset) {
  std::mt19937_64 random(testing::seed());
  std::vector<std::byte> data(4096);
  for (auto& byte : data) byte = static_cast<std::byte>(random());
  for (std::size_t length : {0u, 1u, 7u, 8u, 9u, 15u, 63u, 64u, 1000u, 4000u}) {
    for (std::size_t offset = 0; offset < 9; ++offset) {
      const auto piece = std::span<const std::byte>(data).subspan(offset, length);
      const auto wanted = naive_crc32c(piece);
      EXPECT_EQ(detail::crc32c_table(piece, 0), wanted) << length << " at " << offset;
      if (detail::has_crc32c_instruction()) {
        EXPECT_EQ(detail::crc32c_hardware(piece, 0), wanted) << length << " at " << offset;
      }
    }
  }
}

TEST(Crc32cTest, GoesOnFromTheValueOfTheBytesBefore) {
  const std::string text = "one scan, many queries, equal bits";
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    const auto first = crc32c(bytes_of(text.substr(0, cut)));
    EXPECT_EQ(crc32c(bytes_of(text.substr(cut)), first), crc32c(bytes_of(text)));
    const auto first_by_table = detail::crc32c_table(bytes_of(text.substr(0, cut)), 0);
    EXPECT_EQ(detail::crc32c_table(bytes_of(text.substr(cut)), first_by_table),
              crc32c(bytes_of(text)));
  }
}

TEST(Sha256Test, EqualsPublishedVectors) {
  // FIPS 180-4's examples.
  EXPECT_EQ(sha256_hex(bytes_of("")),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256_hex(bytes_of("abc")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Sha256Test, TakesBytesInPieces) {
  Sha256 hash;
  hash.update(bytes_of("a"));
  hash.update(bytes_of(""));
  hash.update(bytes_of("bc"));
  EXPECT_EQ(hash.hex_digest(), sha256_hex(bytes_of("abc")));
}

}  // namespace
}  // namespace rookery::base
