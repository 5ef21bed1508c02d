#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace rookery::retriever_pool::wire {

/// Body of kLease and kLeaseAnswer: u64 lease id, u64 ttl ms, u32 flags, u32 zero. Index and
/// generation stand in the header. Flag 1 ends the lease; the answer carries the time that was
/// granted. A refusal is a kError: kWrongGeneration where the generation is served no more,
/// kOverloaded where there are too many leases.
struct LeaseBody {
  std::uint64_t lease = 0;  ///< drawn by the client
  std::chrono::milliseconds ttl{0};
  bool end = false;
};
std::string encode_lease(const LeaseBody& lease);
/// Throws `WireError` for anything that is no lease; a ttl is at most a day.
LeaseBody decode_lease(std::span<const std::byte> body);

}  // namespace rookery::retriever_pool::wire
