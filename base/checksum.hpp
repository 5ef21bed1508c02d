#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace rookery::base {

/// CRC-32C (Castagnoli, reflected polynomial 0x82F63B78), as in iSCSI, RFC 3720. `seed` is the
/// value of the bytes before these, so that crc32c(b, crc32c(a)) equals crc32c(a ++ b).
std::uint32_t crc32c(std::span<const std::byte> bytes, std::uint32_t seed = 0);

/// SHA-256 over bytes that come in pieces.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;
  void update(std::span<const std::byte> bytes);
  /// 64 lower-case hex digits; the object may not be used afterwards.
  std::string hex_digest();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// SHA-256 of one piece, as 64 lower-case hex digits.
std::string sha256_hex(std::span<const std::byte> bytes);

}  // namespace rookery::base
