#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>

namespace rookery::retriever_pool::wire {

// A message is two ZeroMQ frames, header and body. All numbers are little-endian. Header:
//
//   0 u32 magic "RKRY"      32 u64 remaining µs         120 u32 CRC-32C of the body
//   4 u16 version           40 u64 trace id             124 u32 CRC-32C of the header, this
//   6 u16 header bytes      48 char[32] index name              field as zero
//   8 u8 type               80 char[32] generation      128 extensions up to `header bytes`:
//   9 u8 priority          112 u64 body bytes                   u16 id, u16 bytes, bytes
//  10 u8 dtype, 11 u8 coverage, 12 u32 attempt, 16 u64 + 24 u64 request id
//
// A reader of version n takes n + 1 too: whatever n + 1 adds stands in extensions, and unknown
// extensions are skipped.

inline constexpr std::uint32_t kMagic = 0x59524B52;  ///< "RKRY" in memory
inline constexpr std::uint16_t kVersion = 1;
inline constexpr std::size_t kHeaderBytes = 128;
inline constexpr std::size_t kHeaderBytesMax = 4096;
inline constexpr std::size_t kNameBytes = 32;  ///< of index name and generation
inline constexpr std::int64_t kQueryBytesMax = 64 << 20;
inline constexpr std::int64_t kAnswerBytesMax = 256 << 20;

enum class Type : std::uint8_t {
  kQuery = 1,
  kAnswer = 2,
  kError = 3,
  kPing = 4,
  kPong = 5,
  kViewRequest = 6,
  kViewAnswer = 7,  ///< body: the view as JSON, empty when there is nothing newer
  kCancel = 8,      ///< the request id names a query that nobody waits for any more
  kLease = 9,       ///< to the head: take, renew or end a lease on the header's generation
  kLeaseAnswer = 10,
  kSampleRequest = 11,  ///< to a node: queries that it has answered lately, to warm others with
  kSampleAnswer = 12,   ///< body: as of a query
};

/// What is wrong with a message, or with a request; the number travels in error answers.
enum class ErrorCode : std::uint32_t {
  kMalformed = 1,        ///< no message of ours, or damaged
  kBadVersion = 2,       ///< a version we do not speak
  kTooLarge = 3,         ///< beyond a limit
  kInvalid = 4,          ///< a sound message with a wrong request: k, dimension, NaN
  kWrongGeneration = 5,  ///< another generation, or another index, is served here
  kOverloaded = 6,       ///< the queue is full; see `retry_after`
  kDraining = 7,         ///< going away; ask another replica
  kDeadline = 8,         ///< it passed before the answer was ready
  kUnavailable = 9,      ///< stopping
  kInternal = 10,
};
std::string to_string(ErrorCode code);  ///< "malformed", "overloaded", …

class WireError : public std::runtime_error {
 public:
  WireError(ErrorCode code, const std::string& message)
      : std::runtime_error(message), code_(code) {}
  [[nodiscard]] ErrorCode code() const { return code_; }

 private:
  ErrorCode code_;
};

struct RequestId {
  std::uint64_t high = 0, low = 0;
  friend auto operator<=>(const RequestId&, const RequestId&) = default;
};

enum class Dtype : std::uint8_t { kFloat32 = 0, kFloat16 = 1 };   ///< of the vectors in an answer
enum class Coverage : std::uint8_t { kNone = 0, kComplete = 1 };  ///< all rows of the shard

struct Header {
  std::uint16_t version = kVersion;
  Type type = Type::kPing;
  std::uint8_t priority = 0;  ///< `Priority`; a number that is not known counts as the last
  Dtype dtype = Dtype::kFloat32;
  Coverage coverage = Coverage::kNone;
  std::uint32_t attempt = 0;  ///< from 1
  RequestId request;
  std::uint64_t remaining_us = 0;  ///< until the deadline, from when it was sent
  std::uint64_t trace = 0;
  std::string index;       ///< at most 32 bytes; empty: the only one there is
  std::string generation;  ///< at most 32 bytes; empty: any
  std::uint64_t body_bytes = 0;
  std::uint32_t body_crc = 0;
};

/// Fills in the sizes and checksums. `extensions` is put behind the fixed part as it is. Throws
/// `std::invalid_argument` for names over 32 bytes or extensions over the limit.
std::string encode_header(const Header& header, std::span<const std::byte> body,
                          std::span<const std::byte> extensions = {});

/// Reads a header that anyone may have sent. Throws `WireError` (kMalformed, kBadVersion,
/// kTooLarge); nothing is allocated by sizes that the sender claims.
Header decode_header(std::span<const std::byte> frame);

/// Refuses a body whose size or checksum is not the header's. Throws `WireError`.
void check_body(const Header& header, std::span<const std::byte> body);

}  // namespace rookery::retriever_pool::wire
