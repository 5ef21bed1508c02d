#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <vector>

namespace rookery::retriever_pool {

struct LeaseLimits {
  std::chrono::milliseconds ttl{10'000};  ///< what a client gets that asks for no time or for more
  std::size_t leases_max = 65536;         ///< further ones are refused
};

/// Who still needs which generation. Pure: times come from the caller.
///
/// A table that has just begun knows nothing, though clients may hold leases of a head before it:
/// for one `ttl`, in which each of them renews at least twice, every generation counts as in use.
class LeaseTable {
 public:
  using Time = std::chrono::steady_clock::time_point;
  LeaseTable(LeaseLimits limits, Time start) : limits_(limits), start_(start) {}

  enum class Outcome { kGranted, kFull, kOtherGeneration };
  /// Takes or renews lease `id` for `ttl` (0, or more than the limit: the limit) from now. The id
  /// is the client's own, drawn at random; one that another generation has is refused.
  Outcome take(std::uint64_t id, const std::string& index, const std::string& generation,
               std::chrono::milliseconds ttl, Time now);
  /// No-op for a lease that is not there.
  void end(std::uint64_t id);

  /// Leases that have not run out.
  [[nodiscard]] std::int64_t count(const std::string& index, const std::string& generation,
                                   Time now) const;
  /// Somebody has a lease, or may have one.
  [[nodiscard]] bool in_use(const std::string& index, const std::string& generation,
                            Time now) const {
    return now - start_ < limits_.ttl || count(index, generation, now) > 0;
  }
  [[nodiscard]] const LeaseLimits& limits() const { return limits_; }
  [[nodiscard]] std::size_t size() const { return leases_.size(); }

 private:
  struct Lease {
    std::string index, generation;
    Time until;
  };
  void forget_expired(Time now);
  LeaseLimits limits_;
  Time start_;
  std::map<std::uint64_t, Lease> leases_;
};

}  // namespace rookery::retriever_pool
