#include "retriever_pool/row_set.hpp"

#include <bit>
#include <stdexcept>
#include <string>

namespace rookery::retriever_pool {

RowSet::RowSet(std::int64_t rows, bool all)
    : words_(static_cast<std::size_t>((rows + 63) / 64), all ? ~std::uint64_t{0} : 0),
      rows_(rows),
      count_(all ? rows : 0) {
  if (all && rows % 64 != 0) words_.back() = (std::uint64_t{1} << (rows % 64)) - 1;
}

void RowSet::insert(std::int64_t row) {
  if (contains(row)) return;
  words_[static_cast<std::size_t>(row >> 6)] |= std::uint64_t{1} << (row & 63);
  ++count_;
}

void RowSet::erase(std::int64_t row) {
  if (!contains(row)) return;
  words_[static_cast<std::size_t>(row >> 6)] &= ~(std::uint64_t{1} << (row & 63));
  --count_;
}

void RowSet::intersect(const RowSet& other) {
  if (other.rows_ != rows_) {
    throw std::invalid_argument("RowSet::intersect: expected a set of " + std::to_string(rows_) +
                                " rows, got one of " + std::to_string(other.rows_));
  }
  count_ = 0;
  for (std::size_t i = 0; i < words_.size(); ++i) {
    words_[i] &= other.words_[i];
    count_ += std::popcount(words_[i]);
  }
}

}  // namespace rookery::retriever_pool
