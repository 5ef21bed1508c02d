#pragma once

#include <bit>
#include <cstdint>

#include "index_tools/index_spec.hpp"

namespace rookery::index_tools {

/// What one term gives to a passage's score: idf · tf / (tf + k1 (1 − b + b length / mean length))
/// with idf = ln(1 + (N − df + ½) / (df + ½)), as Lucene 8 and later have it (there is no factor
/// k1 + 1), with exact lengths. Each share is rounded to a multiple of 2⁻⁴⁰, at least one, and the
/// shares are added as integers: a score is the same whatever the order of the additions, hence
/// for every sharding, pruning, batch and instruction set. A term that stands n times in a query
/// counts n times. The sum becomes a float by one rounding.
struct Bm25Formula {
  double constant = 0;   ///< k1 (1 − b)
  double per_token = 0;  ///< k1 b / mean length

  static Bm25Formula of(const Bm25Parameters& parameters, double mean_length) {
    const auto k1 = static_cast<double>(parameters.k1);
    const auto b = static_cast<double>(parameters.b);
    return {k1 * (1 - b), mean_length > 0 ? k1 * b / mean_length : 0};
  }
  /// tf / (tf + …), in (0, 1]. `length` and `frequency` are below 2³¹.
  [[nodiscard]] double ratio(std::uint32_t frequency, std::uint32_t length) const {
    const auto tf = static_cast<double>(frequency);
    return tf / (tf + (constant + per_token * static_cast<double>(length)));
  }
};

inline constexpr double kBm25Scale = 1099511627776.0;  ///< 2⁴⁰ shares make a score of 1
/// Added to a double below 2⁵¹, leaves its nearest integer (ties to even) in the low bits.
inline constexpr double kBm25Rounder = 6755399441055744.0;  // 1.5 · 2⁵²

/// The share of one occurrence in the query; `weight` is idf · 2⁴⁰. Rises with the ratio, so that a
/// bound on the ratio bounds it.
inline std::int64_t bm25_share(double weight, double ratio) {
  const double exact = weight * ratio;
  const double rounded = (exact > 1 ? exact : 1) + kBm25Rounder;
  return std::bit_cast<std::int64_t>(rounded) - std::bit_cast<std::int64_t>(kBm25Rounder);
}

/// A sum of shares as the score that users see.
inline float bm25_score_of(std::int64_t shares) {
  return static_cast<float>(shares) * static_cast<float>(1 / kBm25Scale);
}

/// idf · 2⁴⁰ by additions, multiplications and divisions alone, so that its bits do not depend on a
/// machine's mathematics library. `frequency` is in [1, documents].
double bm25_weight(std::int64_t documents, std::int64_t frequency);

}  // namespace rookery::index_tools
