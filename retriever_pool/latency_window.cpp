#include "retriever_pool/latency_window.hpp"

#include <algorithm>
#include <cmath>

namespace rookery::retriever_pool {
namespace {

constexpr std::size_t kSortEvery = 16;  // calls: a partial sort of 512 numbers takes microseconds
constexpr double kShare = 0.95;

}  // namespace

void LatencyWindow::record(double relative) {
  ring_[next_] = static_cast<float>(relative);
  next_ = (next_ + 1) % kCalls;
  count_ = std::min(count_ + 1, kCalls);
  if (++fresh_ >= kSortEvery) sort_out();
}

void LatencyWindow::sort_out() {
  fresh_ = 0;
  std::array<float, kCalls> sorted = ring_;
  const auto rank = static_cast<std::size_t>(std::ceil(kShare * static_cast<double>(count_))) - 1;
  const auto begin = sorted.begin();
  std::nth_element(begin, begin + static_cast<std::ptrdiff_t>(rank),
                   begin + static_cast<std::ptrdiff_t>(count_));
  p95_ = static_cast<double>(sorted[rank]);
}

std::optional<double> LatencyWindow::p95() const {
  if (count_ < kCallsMin) return std::nullopt;
  return p95_;
}

}  // namespace rookery::retriever_pool
