#include "retriever_pool/search_cost.hpp"

#include <algorithm>

namespace rookery::retriever_pool {
namespace {

using std::chrono::microseconds;

constexpr double kDecay = 0.9;       // of older records with each new one
constexpr double kSpreadMin = 0.01;  // variance over squared mean below which no line is fitted
constexpr double kQueriesShareOfOne = 0.5;  // what queries cost while only one size was seen

}  // namespace

void SearchCost::record(std::int64_t queries, microseconds took) {
  if (queries < 1 || took.count() < 0) return;
  const auto q = static_cast<double>(queries);
  const auto us = static_cast<double>(took.count());
  weight_ = kDecay * weight_ + 1;
  queries_ = kDecay * queries_ + q;
  us_ = kDecay * us_ + us;
  queries_squared_ = kDecay * queries_squared_ + q * q;
  queries_us_ = kDecay * queries_us_ + q * us;
}

SearchCost::Line SearchCost::line() const {
  if (!known()) return {};
  const double q = queries_ / weight_, us = us_ / weight_;
  const double variance = queries_squared_ / weight_ - q * q;
  double slope = kQueriesShareOfOne * us / q;
  if (variance > kSpreadMin * q * q) slope = (queries_us_ / weight_ - q * us) / variance;
  // Neither part of the cost is negative, however noisy the times are.
  slope = std::clamp(slope, 0.0, us / q);
  return {us - slope * q, slope};
}

microseconds SearchCost::of(std::int64_t queries) const {
  if (queries < 1) return microseconds{0};
  const Line fitted = line();
  return microseconds(
      static_cast<std::int64_t>(fitted.fixed_us + fitted.query_us * static_cast<double>(queries)));
}

microseconds SearchCost::fixed() const {
  return microseconds(static_cast<std::int64_t>(line().fixed_us));
}

}  // namespace rookery::retriever_pool
