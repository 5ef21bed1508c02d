#include "base/checksum.hpp"

#include "base/detail/crc32c.hpp"

#include <openssl/evp.h>
#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

#include <cstring>
#include <new>
#include <stdexcept>

namespace rookery::base {

namespace detail {

namespace {

constexpr std::uint32_t kPolynomial = 0x82F63B78;
using Tables = std::array<std::array<std::uint32_t, 256>, 8>;

/// tables[0] is the classic one of a byte; tables[n] moves a byte past n more zero bytes, so that
/// eight bytes are taken in a step.
constexpr Tables make_tables() {
  Tables tables{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t value = byte;
    for (int bit = 0; bit < 8; ++bit) value = (value >> 1) ^ ((value & 1) != 0 ? kPolynomial : 0);
    tables[0][byte] = value;
  }
  for (std::size_t step = 1; step < 8; ++step) {
    for (std::size_t byte = 0; byte < 256; ++byte) {
      const std::uint32_t before = tables[step - 1][byte];
      tables[step][byte] = (before >> 8) ^ tables[0][before & 0xFF];
    }
  }
  return tables;
}

constexpr Tables kTables = make_tables();

}  // namespace

std::uint32_t crc32c_table(std::span<const std::byte> bytes, std::uint32_t seed) {
  std::uint32_t value = ~seed;
  const auto* at = bytes.data();
  std::size_t left = bytes.size();
  for (; left >= 8; left -= 8, at += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, at, 8);
    word ^= value;
    value = 0;
    for (std::size_t byte = 0; byte < 8; ++byte) {
      value ^= kTables[7 - byte][(word >> (8 * byte)) & 0xFF];
    }
  }
  for (; left > 0; --left, ++at) {
    value = (value >> 8) ^ kTables[0][(value ^ std::to_integer<std::uint32_t>(*at)) & 0xFF];
  }
  return ~value;
}

#if defined(__x86_64__)

bool has_crc32c_instruction() { return __builtin_cpu_supports("sse4.2") != 0; }

__attribute__((target("sse4.2"))) std::uint32_t crc32c_hardware(std::span<const std::byte> bytes,
                                                                std::uint32_t seed) {
  std::uint64_t value = ~seed;
  const auto* at = bytes.data();
  std::size_t left = bytes.size();
  for (; left >= 8; left -= 8, at += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, at, 8);
    value = _mm_crc32_u64(value, word);
  }
  auto narrow = static_cast<std::uint32_t>(value);
  for (; left > 0; --left, ++at) {
    narrow = _mm_crc32_u8(narrow, std::to_integer<unsigned char>(*at));
  }
  return ~narrow;
}

#else

bool has_crc32c_instruction() { return false; }

std::uint32_t crc32c_hardware(std::span<const std::byte>, std::uint32_t) {
  throw std::logic_error("crc32c_hardware: this processor has no such instruction");
}

#endif

}  // namespace detail

std::uint32_t crc32c(std::span<const std::byte> bytes, std::uint32_t seed) {
  static const bool hardware = detail::has_crc32c_instruction();
  return hardware ? detail::crc32c_hardware(bytes, seed) : detail::crc32c_table(bytes, seed);
}

struct Sha256::Impl {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  Impl() {
    if (context == nullptr || EVP_DigestInit_ex(context, EVP_sha256(), nullptr) != 1) {
      EVP_MD_CTX_free(context);
      throw std::bad_alloc();
    }
  }
  ~Impl() { EVP_MD_CTX_free(context); }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
};

Sha256::Sha256() : impl_(std::make_unique<Impl>()) {}
Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;

void Sha256::update(std::span<const std::byte> bytes) {
  if (EVP_DigestUpdate(impl_->context, bytes.data(), bytes.size()) != 1) {
    throw std::runtime_error("SHA-256 failed in OpenSSL");
  }
}

std::string Sha256::hex_digest() {
  std::array<unsigned char, 32> digest{};
  if (EVP_DigestFinal_ex(impl_->context, digest.data(), nullptr) != 1) {
    throw std::runtime_error("SHA-256 failed in OpenSSL");
  }
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (const unsigned char byte : digest) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

std::string sha256_hex(std::span<const std::byte> bytes) {
  Sha256 hash;
  hash.update(bytes);
  return hash.hex_digest();
}

}  // namespace rookery::base
