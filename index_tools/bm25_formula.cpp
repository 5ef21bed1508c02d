#include "index_tools/bm25_formula.hpp"

#include <cmath>

namespace rookery::index_tools {
namespace {

// ln(1 + x) for x ≥ 0 by 2 artanh(s), s = x / (2 + x) after taking out the power of two; |s| is at
// most 0.172, so 13 terms leave less than an ulp.
double natural_log1p(double x) {
  int exponent = 0;
  double s = x / (2 + x);
  if (x > 0.41) {
    double mantissa = std::frexp(1 + x, &exponent);  // [0.5, 1)
    if (mantissa < 0.70710678118654752) {
      mantissa *= 2;
      --exponent;
    }
    s = (mantissa - 1) / (mantissa + 1);
  }
  const double square = s * s;
  double series = 0;
  for (int n = 25; n >= 1; n -= 2) series = series * square + 1.0 / n;
  constexpr double kLn2 = 0.69314718055994531;
  return exponent * kLn2 + 2 * s * series;
}

}  // namespace

double bm25_weight(std::int64_t documents, std::int64_t frequency) {
  const auto n = static_cast<double>(documents);
  const auto df = static_cast<double>(frequency);
  return natural_log1p((n - df + 0.5) / (df + 0.5)) * kBm25Scale;
}

}  // namespace rookery::index_tools
