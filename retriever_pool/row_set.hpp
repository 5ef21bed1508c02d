#pragma once

#include <cstdint>
#include <vector>

namespace rookery::retriever_pool {

/// Rows of one shard that may be found, as bits. Built by one thread, then shared unchanged.
class RowSet {
 public:
  RowSet(std::int64_t rows, bool all);
  [[nodiscard]] bool contains(std::int64_t row) const {
    return ((words_[static_cast<std::size_t>(row >> 6)] >> (row & 63)) & 1U) != 0;
  }
  void insert(std::int64_t row);
  void erase(std::int64_t row);
  void intersect(const RowSet& other);
  [[nodiscard]] std::int64_t rows() const { return rows_; }
  [[nodiscard]] std::int64_t count() const { return count_; }  ///< rows that are in it
  [[nodiscard]] const std::uint64_t* words() const { return words_.data(); }

 private:
  std::vector<std::uint64_t> words_;  // bits beyond `rows_` are zero
  std::int64_t rows_ = 0, count_ = 0;
};

}  // namespace rookery::retriever_pool
