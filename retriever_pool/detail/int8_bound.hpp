#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "index_tools/int8_codes.hpp"
#include "retriever_pool/exact_kernel.hpp"

namespace rookery::retriever_pool::detail {

/// What an int8 scan needs to know of one query so that it never drops a row whose score under
/// law 1 reaches a threshold.
///
/// With q = t ĉ + δ (t the query's scale) and d = s c + ε, Cauchy and Schwarz give
///   |q·d − t s (ĉ·c)| ≤ ‖q‖ ‖ε‖ + ‖δ‖ ‖s c‖.
/// L2 uses ‖q − s c‖ ≤ ‖q − d‖ + ‖ε‖, squared. Added to that: the rounding of the float score,
/// γ ‖q‖ ‖d‖ with γ = m u / (1 − m u), u = 2^-24 and m the roundings on the way to a sum (Higham,
/// Accuracy and Stability of Numerical Algorithms, 3.1), what gradual underflow loses, and the
/// rounding of the bound itself.
class Int8Bound {
 public:
  /// `scaled` and `codes` come from `quantise_row`.
  Int8Bound(Metric metric, std::span<const float> query, const index_tools::Int8Row& quantised);

  /// Of the sum over codes; 0 for a query that is too small for a scale.
  [[nodiscard]] float scale() const { return scale_; }
  /// Factors of a row's error and norm, and the limit that the sum must reach, when only scores of
  /// `threshold` or better count (minus infinity: all). Rounded to the safe side.
  struct Limits {
    float a, b, limit;
  };
  [[nodiscard]] Limits limits(float threshold) const;

 private:
  bool l2_;
  double length_, squares_, gamma_, tiny_, b_;
  float scale_;
};

/// What a row adds to the sum for L2.
std::vector<float> int8_extras(const index_tools::Int8Codes& codes);

}  // namespace rookery::retriever_pool::detail
