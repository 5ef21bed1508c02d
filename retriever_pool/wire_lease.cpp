#include "retriever_pool/wire_lease.hpp"

#include "retriever_pool/detail/byte_order.hpp"
#include "retriever_pool/wire.hpp"

namespace rookery::retriever_pool::wire {
namespace {

constexpr std::uint32_t kEndFlag = 1;
constexpr std::uint64_t kTtlMaxMs = 24 * 3600 * 1000;

}  // namespace

std::string encode_lease(const LeaseBody& lease) {
  detail::Writer writer(24);
  writer.put(lease.lease);
  writer.put(static_cast<std::uint64_t>(lease.ttl.count()));
  writer.put(lease.end ? kEndFlag : 0U);
  writer.put(std::uint32_t{0});
  return writer.take();
}

LeaseBody decode_lease(std::span<const std::byte> body) {
  detail::Reader reader(body);
  LeaseBody lease;
  lease.lease = reader.get<std::uint64_t>("lease");
  const auto ttl = reader.get<std::uint64_t>("lease");
  if (ttl > kTtlMaxMs) {
    throw WireError(ErrorCode::kInvalid,
                    "lease: expected a time of at most a day, got " + std::to_string(ttl) + " ms");
  }
  lease.ttl = std::chrono::milliseconds(ttl);
  const auto flags = reader.get<std::uint32_t>("lease");
  if ((flags & ~kEndFlag) != 0) {
    throw WireError(ErrorCode::kInvalid,
                    "lease: expected flags 0 or 1, got " + std::to_string(flags));
  }
  lease.end = (flags & kEndFlag) != 0;
  (void)reader.get<std::uint32_t>("lease");
  reader.finish("lease");
  return lease;
}

}  // namespace rookery::retriever_pool::wire
