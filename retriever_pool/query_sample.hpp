#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_set>

#include "retriever_pool/detail/few_bytes_hash.hpp"
#include "retriever_pool/wire_bodies.hpp"

namespace rookery::retriever_pool {

/// The last distinct queries that a server answered, bounded by number and bytes: what another
/// generation is warmed with and compared by. Thread-safe.
class QuerySample {
 public:
  static constexpr std::int32_t kQueriesMax = 100;
  static constexpr std::int64_t kBytesMax = 4 << 20;

  /// Vectors and texts are remembered, one by one; ids are not.
  void add(const wire::QueryBody& query);
  /// Up to `count` of them, the newest last, as the body of a query for 10 documents without
  /// passages: the vectors where there were any, else the texts. Empty when there were none.
  [[nodiscard]] std::string encode(std::int32_t count) const;

 private:
  /// A query is its bytes; the set owns them, the order points into it.
  struct Ring {
    std::unordered_set<std::string, detail::FewBytesHash, std::equal_to<>> known;
    std::deque<const std::string*> order;
    std::int64_t bytes = 0;
    void add(std::string_view query);
  };
  mutable std::mutex mutex_;
  Ring vectors_, texts_;
};

}  // namespace rookery::retriever_pool
