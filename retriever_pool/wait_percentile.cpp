#include "retriever_pool/wait_percentile.hpp"

#include <algorithm>

namespace rookery::retriever_pool {
namespace {

constexpr std::size_t kWaitsMax = 1024;
constexpr std::chrono::seconds kSpan{5};

}  // namespace

void WaitPercentile::add(std::chrono::microseconds wait, Time now) {
  if (waits_.size() < kWaitsMax) {
    waits_.push_back({now, wait});
    return;
  }
  waits_[next_] = {now, wait};
  next_ = (next_ + 1) % kWaitsMax;
}

std::chrono::microseconds WaitPercentile::percentile(std::size_t percent, Time now) const {
  std::vector<std::chrono::microseconds> recent;
  for (const Wait& wait : waits_) {
    if (now - wait.when <= kSpan) recent.push_back(wait.wait);
  }
  if (recent.empty()) return std::chrono::microseconds{0};
  // The smallest value that at least `percent` of them do not exceed.
  const std::size_t rank = (recent.size() * percent + 99) / 100 - 1;
  std::nth_element(recent.begin(), recent.begin() + static_cast<std::ptrdiff_t>(rank),
                   recent.end());
  return recent[rank];
}

}  // namespace rookery::retriever_pool
