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
/// (a positive float), then the row from above.
class Bm25Top {
 public:
  void reset(std::int32_t k) {
    k_ = static_cast<std::size_t>(k);
    keys_.clear();
    needed_ = 1;
  }
  /// A row with fewer shares cannot come in, if its number is above those of all rows before.
  [[nodiscard]] std::int64_t needed() const { return needed_; }

  void add(std::int64_t row, std::int64_t shares) {
    const auto bits = std::bit_cast<std::uint32_t>(index_tools::bm25_score_of(shares));
    const std::uint64_t key =
        std::uint64_t{bits} << 32U | (0xFFFFFFFFU - static_cast<std::uint32_t>(row));
    if (keys_.size() < k_) {
      keys_.push_back(key);
      std::push_heap(keys_.begin(), keys_.end(), std::greater<>());
      if (keys_.size() < k_) return;
    } else {
      if (key < keys_.front()) return;
      replace_worst(key);
    }
    needed_ = above(static_cast<std::uint32_t>(keys_.front() >> 32U));
  }

  /// Best first.
  void take(std::vector<Bm25Hit>& hits) {
    std::sort(keys_.begin(), keys_.end(), std::greater<>());
    for (const std::uint64_t key : keys_) {
      hits.push_back({std::int64_t{0xFFFFFFFFU - static_cast<std::uint32_t>(key)},
                      std::bit_cast<float>(static_cast<std::uint32_t>(key >> 32U))});
    }
  }

 private:
  void replace_worst(std::uint64_t key) {
    std::size_t at = 0;
    for (;;) {
      std::size_t child = 2 * at + 1;
      if (child >= keys_.size()) break;
      if (child + 1 < keys_.size() && keys_[child + 1] < keys_[child]) ++child;
      if (keys_[child] >= key) break;
      keys_[at] = keys_[child];
      at = child;
    }
    keys_[at] = key;
  }

  // The fewest shares that may round to a float above this one: half way to the next.
  static std::int64_t above(std::uint32_t bits) {
    const auto low = static_cast<double>(std::bit_cast<float>(bits));
    const auto high = static_cast<double>(std::bit_cast<float>(bits + 1));
    return static_cast<std::int64_t>(std::ceil((low + high) / 2 * index_tools::kBm25Scale));
  }

  std::vector<std::uint64_t> keys_;  // a heap with the worst in front
  std::size_t k_ = 0;
  std::int64_t needed_ = 1;
};

}  // namespace rookery::retriever_pool::detail
