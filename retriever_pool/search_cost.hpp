#pragma once

#include <chrono>
#include <cstdint>

namespace rookery::retriever_pool {

/// What a scan of so many queries will take: a fixed part (one pass over the memory) and a part for
/// every query, learnt from the latest scans. Pure.
class SearchCost {
 public:
  void record(std::int64_t queries, std::chrono::microseconds took);
  /// Rises with the number of queries; 0 for none, and before the first record.
  [[nodiscard]] std::chrono::microseconds of(std::int64_t queries) const;
  /// The part that queries of one scan share: what is won when two scans become one.
  [[nodiscard]] std::chrono::microseconds fixed() const;
  [[nodiscard]] bool known() const { return weight_ > 0; }

 private:
  struct Line {
    double fixed_us = 0, query_us = 0;
  };
  [[nodiscard]] Line line() const;
  // Sums over the records, older ones decayed: of 1, q, t, q·q, q·t.
  double weight_ = 0, queries_ = 0, us_ = 0, queries_squared_ = 0, queries_us_ = 0;
};

}  // namespace rookery::retriever_pool
