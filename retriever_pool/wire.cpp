#include "retriever_pool/wire.hpp"

#include <algorithm>
#include <cstring>

#include "base/checksum.hpp"
#include "retriever_pool/detail/byte_order.hpp"

namespace rookery::retriever_pool::wire {
namespace {

constexpr std::size_t kHeaderCrcOffset = 124;

[[noreturn]] void malformed(const std::string& what) {
  throw WireError(ErrorCode::kMalformed, "header: " + what);
}

std::string padded_name(const std::string& name, const char* what) {
  if (name.size() > kNameBytes || name.find('\0') != std::string::npos) {
    throw std::invalid_argument(std::string(what) + ": expected at most 32 bytes, got '" + name +
                                "'");
  }
  std::string padded = name;
  padded.resize(kNameBytes, '\0');
  return padded;
}

std::string read_name(detail::Reader& reader, const char* what) {
  const std::string_view bytes = reader.get_text(kNameBytes, what);
  const auto end = std::min(bytes.find('\0'), bytes.size());
  if (bytes.find_first_not_of('\0', end) != std::string_view::npos) {
    malformed(std::string(what) + " has bytes behind its end");
  }
  return std::string(bytes.substr(0, end));
}

std::uint32_t header_crc(std::span<const std::byte> frame) {
  constexpr std::array<std::byte, 4> kZero{};
  const std::uint32_t head = base::crc32c(frame.first(kHeaderCrcOffset));
  const std::uint32_t middle = base::crc32c(kZero, head);
  return base::crc32c(frame.subspan(kHeaderBytes), middle);
}

// Extensions are pairs of id and length; none is known yet, so all are skipped.
void skip_extensions(detail::Reader& reader) {
  while (reader.left() > 0) {
    reader.get<std::uint16_t>("extension id");
    const auto bytes = reader.get<std::uint16_t>("extension length");
    reader.get_text(bytes, "extension");
  }
}

}  // namespace

std::string to_string(ErrorCode code) {
  switch (code) {
    case ErrorCode::kMalformed:
      return "malformed";
    case ErrorCode::kBadVersion:
      return "version";
    case ErrorCode::kTooLarge:
      return "too_large";
    case ErrorCode::kInvalid:
      return "invalid";
    case ErrorCode::kWrongGeneration:
      return "wrong_generation";
    case ErrorCode::kOverloaded:
      return "overloaded";
    case ErrorCode::kDraining:
      return "draining";
    case ErrorCode::kDeadline:
      return "deadline";
    case ErrorCode::kUnavailable:
      return "unavailable";
    case ErrorCode::kInternal:
      break;
  }
  return "internal";
}

std::string encode_header(const Header& header, std::span<const std::byte> body,
                          std::span<const std::byte> extensions) {
  const std::size_t bytes = kHeaderBytes + extensions.size();
  if (bytes > kHeaderBytesMax) {
    throw std::invalid_argument("encode_header: expected at most 4096 bytes, got " +
                                std::to_string(bytes));
  }
  detail::Writer writer(bytes);
  writer.put(kMagic);
  writer.put(header.version);
  writer.put(static_cast<std::uint16_t>(bytes));
  writer.put(header.type);
  writer.put(header.priority);
  writer.put(header.dtype);
  writer.put(header.coverage);
  writer.put(header.attempt);
  writer.put(header.request.high);
  writer.put(header.request.low);
  writer.put(header.remaining_us);
  writer.put(header.trace);
  writer.put_text(padded_name(header.index, "index name"));
  writer.put_text(padded_name(header.generation, "generation"));
  writer.put(std::uint64_t{body.size()});
  writer.put(base::crc32c(body));
  writer.put(std::uint32_t{0});
  writer.put_array(extensions);
  std::string frame = writer.take();
  const std::uint32_t crc = header_crc(std::as_bytes(std::span(frame)));
  std::memcpy(frame.data() + kHeaderCrcOffset, &crc, sizeof crc);
  return frame;
}

Header decode_header(std::span<const std::byte> frame) {
  if (frame.size() < kHeaderBytes || frame.size() > kHeaderBytesMax) {
    malformed("expected 128 to 4096 bytes, got " + std::to_string(frame.size()));
  }
  detail::Reader reader(frame);
  if (reader.get<std::uint32_t>("magic") != kMagic) malformed("wrong magic number");
  Header header;
  header.version = reader.get<std::uint16_t>("version");
  if (header.version < 1 || header.version > kVersion + 1) {
    throw WireError(ErrorCode::kBadVersion, "header: expected version 1 to " +
                                                std::to_string(kVersion + 1) + ", got " +
                                                std::to_string(header.version));
  }
  if (reader.get<std::uint16_t>("header bytes") != frame.size()) malformed("wrong header length");
  std::uint32_t stored_crc = 0;
  std::memcpy(&stored_crc, frame.data() + kHeaderCrcOffset, sizeof stored_crc);
  if (stored_crc != header_crc(frame)) malformed("does not match its checksum");

  const auto type = reader.get<std::uint8_t>("type");
  if (type < static_cast<std::uint8_t>(Type::kQuery) ||
      type > static_cast<std::uint8_t>(Type::kSampleAnswer)) {
    malformed("unknown type " + std::to_string(type));
  }
  header.type = static_cast<Type>(type);
  header.priority = reader.get<std::uint8_t>("priority");
  const auto dtype = reader.get<std::uint8_t>("dtype");
  if (dtype > static_cast<std::uint8_t>(Dtype::kFloat16)) malformed("unknown dtype");
  header.dtype = static_cast<Dtype>(dtype);
  const auto coverage = reader.get<std::uint8_t>("coverage");
  if (coverage > static_cast<std::uint8_t>(Coverage::kComplete)) malformed("unknown coverage");
  header.coverage = static_cast<Coverage>(coverage);
  header.attempt = reader.get<std::uint32_t>("attempt");
  header.request.high = reader.get<std::uint64_t>("request id");
  header.request.low = reader.get<std::uint64_t>("request id");
  header.remaining_us = reader.get<std::uint64_t>("remaining time");
  header.trace = reader.get<std::uint64_t>("trace id");
  header.index = read_name(reader, "index name");
  header.generation = read_name(reader, "generation");
  header.body_bytes = reader.get<std::uint64_t>("body bytes");
  header.body_crc = reader.get<std::uint32_t>("body checksum");
  reader.get<std::uint32_t>("header checksum");
  skip_extensions(reader);
  if (header.body_bytes > static_cast<std::uint64_t>(kAnswerBytesMax)) {
    throw WireError(ErrorCode::kTooLarge, "header: expected a body of at most " +
                                              std::to_string(kAnswerBytesMax) + " bytes, got " +
                                              std::to_string(header.body_bytes));
  }
  return header;
}

void check_body(const Header& header, std::span<const std::byte> body) {
  if (body.size() != header.body_bytes) {
    throw WireError(ErrorCode::kMalformed, "body: expected " + std::to_string(header.body_bytes) +
                                               " bytes, got " + std::to_string(body.size()));
  }
  if (base::crc32c(body) != header.body_crc) {
    throw WireError(ErrorCode::kMalformed, "body: does not match its checksum");
  }
}

}  // namespace rookery::retriever_pool::wire
