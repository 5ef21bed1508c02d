#include "retriever_pool/detail/int8_bound.hpp"

#include <cmath>
#include <limits>

namespace rookery::retriever_pool::detail {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr double kUnitRoundoff = 0x1p-24;
// Room for the rounding of the sum itself: at most 6 roundings of terms whose magnitudes add up to
// less than 6 ‖q‖ (‖s c‖ + ‖ε‖), or for L2 that and (‖s c‖ + ‖ε‖)²: 36 u < 2^-18 of them.
constexpr double kRoom = 0x1p-18;
// Double's own roundings, summed over at most 2^15 elements.
constexpr double kSafe = 1e-9;
// Below this length the products of scales could underflow where the bound does not.
constexpr double kLengthMin = 1e-30;

float up(double value) {
  const auto near = static_cast<float>(value);
  return static_cast<double>(near) >= value ? near : std::nextafter(near, kInfinity);
}
float down(double value) { return -up(-value); }

}  // namespace

Int8Bound::Int8Bound(Metric metric, std::span<const float> query,
                     const index_tools::Int8Row& quantised)
    : l2_(metric == Metric::kL2), squares_(0) {
  for (const float x : query) squares_ += static_cast<double>(x) * static_cast<double>(x);
  length_ = std::sqrt(squares_) * (1 + kSafe);
  const auto dimension = static_cast<double>(query.size());
  // A lane adds ceil(D / 16) products, the tree four more; L2 rounds each difference once, which
  // counts twice when squared.
  const double roundings = (std::ceil(dimension / 16) + 6) * kUnitRoundoff;
  gamma_ = roundings / (1 - roundings);
  tiny_ = (8 * dimension + 1024) * 0x1p-149;
  const bool has_scale = length_ >= kLengthMin;
  const double error = has_scale ? static_cast<double>(quantised.error) : length_;
  const float scale = has_scale ? quantised.scale : 0.0F;
  scale_ = l2_ ? 2 * scale : scale;
  b_ = l2_ ? 2 * error + 2 * kRoom * length_ : error + (gamma_ + kRoom) * length_;
}

Int8Bound::Limits Int8Bound::limits(float threshold) const {
  Limits result;
  result.b = up(b_ * (1 + kSafe));
  if (!l2_) {
    result.a = up(length_ * (1 + gamma_ + kRoom));
    result.limit = threshold == -kInfinity ? -kInfinity : down(double{threshold} - tiny_);
    return result;
  }
  if (threshold == -kInfinity) {
    result.a = 0;
    result.limit = -kInfinity;
    return result;
  }
  // The greatest squared distance that could round to this score.
  const double radius2 = (tiny_ - double{threshold}) / (1 - gamma_) * (1 + kSafe);
  const double radius = std::sqrt(radius2) * (1 + kSafe);
  result.a = up(2 * radius * (1 + kRoom) + 2 * kRoom * length_);
  const double limit = squares_ * (1 - kSafe - kRoom) - radius2 - tiny_;
  result.limit = down(limit - kSafe * (squares_ + radius2));
  return result;
}

std::vector<float> int8_extras(const index_tools::Int8Codes& codes) {
  std::vector<float> extras;
  extras.reserve(static_cast<std::size_t>(codes.count));
  for (std::size_t row = 0; row < static_cast<std::size_t>(codes.count); ++row) {
    const auto norm = static_cast<double>(codes.norms[row]);
    const auto error = static_cast<double>(codes.errors[row]);
    const double both = norm + error;
    // The norm was rounded up, by less than 2^-22 of itself.
    extras.push_back(up(error * error - norm * norm * (1 - 0x1p-20) + kRoom * both * both));
  }
  return extras;
}

}  // namespace rookery::retriever_pool::detail
