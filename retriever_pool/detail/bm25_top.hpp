#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <functional>
#include <vector>

#include "index_tools/bm25_formula.hpp"
#include "retriever_pool/detail/bm25_scan.hpp"

namespace rookery::retriever_pool::detail {

/// The best k rows so far. A hit is one number, larger for what comes first: the bits of its score
/// (a positive float), then the row from above. Hits are kept in no order; when half as many again
/// have gathered, the worst are dropped: a heap took three times as long.
class Bm25Top {
 public:
  void reset(std::int32_t k) {
    k_ = static_cast<std::size_t>(k);
    room_ = k_ + k_ / 2 + 1;
    keys_.clear();
    keys_.reserve(room_);
    needed_ = next_needed_ = 1;
    worst_ = 0;
  }
  /// At least k rows are known to have so many shares: those that score less cannot come in.
  void expect(std::int64_t shares) {
    const auto bits = std::bit_cast<std::uint32_t>(index_tools::bm25_score_of(shares));
    needed_ = next_needed_ = above(bits - 1);
  }
  /// A row of a later window with fewer shares cannot come in.
  [[nodiscard]] std::int64_t needed() const { return needed_; }
  /// All rows from now on are above all before.
  void end_window() { needed_ = next_needed_; }

  /// Within a window, rows come in any order.
  void add(std::int64_t row, std::int64_t shares) {
    const auto bits = std::bit_cast<std::uint32_t>(index_tools::bm25_score_of(shares));
    const std::uint64_t key =
        std::uint64_t{bits} << 32U | (0xFFFFFFFFU - static_cast<std::uint32_t>(row));
    if (key < worst_) return;
    keys_.push_back(key);
    if (keys_.size() >= room_) drop_worst();
  }

  /// Best first.
  void take(std::vector<Bm25Hit>& hits) {
    if (keys_.size() > k_) drop_worst();
    std::sort(keys_.begin(), keys_.end(), std::greater<>());
    for (const std::uint64_t key : keys_) {
      hits.push_back({std::int64_t{0xFFFFFFFFU - static_cast<std::uint32_t>(key)},
                      std::bit_cast<float>(static_cast<std::uint32_t>(key >> 32U))});
    }
  }

 private:
  void drop_worst() {
    const auto last = keys_.begin() + static_cast<std::ptrdiff_t>(k_) - 1;
    std::nth_element(keys_.begin(), last, keys_.end(), std::greater<>());
    keys_.resize(k_);
    worst_ = keys_.back();
    next_needed_ = above(static_cast<std::uint32_t>(worst_ >> 32U));
  }

  // The fewest shares that may round to a float above this one: half way to the next.
  static std::int64_t above(std::uint32_t bits) {
    const auto low = static_cast<double>(std::bit_cast<float>(bits));
    const auto high = static_cast<double>(std::bit_cast<float>(bits + 1));
    return static_cast<std::int64_t>(std::ceil((low + high) / 2 * index_tools::kBm25Scale));
  }

  std::vector<std::uint64_t> keys_;
  std::uint64_t worst_ = 0;  // of the k that were left when the worst were dropped
  std::size_t k_ = 0, room_ = 0;
  std::int64_t needed_ = 1, next_needed_ = 1;
};

}  // namespace rookery::retriever_pool::detail
