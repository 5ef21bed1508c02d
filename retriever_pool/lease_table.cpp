#include "retriever_pool/lease_table.hpp"

#include <algorithm>

namespace rookery::retriever_pool {

LeaseTable::Outcome LeaseTable::take(std::uint64_t id, const std::string& index,
                                     const std::string& generation, std::chrono::milliseconds ttl,
                                     Time now) {
  if (leases_.size() >= limits_.leases_max) forget_expired(now);
  const auto time = ttl.count() <= 0 ? limits_.ttl : std::min(ttl, limits_.ttl);
  const auto found = leases_.find(id);
  if (found == leases_.end()) {
    if (leases_.size() >= limits_.leases_max) return Outcome::kFull;
    leases_[id] = {index, generation, now + time};
    return Outcome::kGranted;
  }
  auto& lease = found->second;
  const bool same = lease.index == index && lease.generation == generation;
  if (!same && lease.until > now) return Outcome::kOtherGeneration;
  lease = {index, generation, now + time};
  return Outcome::kGranted;
}

void LeaseTable::end(std::uint64_t id) { leases_.erase(id); }

std::int64_t LeaseTable::count(const std::string& index, const std::string& generation,
                               Time now) const {
  return std::count_if(leases_.begin(), leases_.end(), [&](const auto& item) {
    const Lease& lease = item.second;
    return lease.until > now && lease.index == index && lease.generation == generation;
  });
}

void LeaseTable::forget_expired(Time now) {
  std::erase_if(leases_, [&](const auto& item) { return item.second.until <= now; });
}

}  // namespace rookery::retriever_pool
