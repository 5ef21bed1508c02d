#pragma once

#include <memory>

#include "index_tools/snapshot.hpp"
#include "retriever_pool/passage_filter.hpp"
#include "retriever_pool/row_set.hpp"

namespace rookery::retriever_pool {

/// Turns filters into rows of one shard and remembers the last few. Any thread may call.
class FilterResolver {
 public:
  /// `always` holds for every query, on top of the query's own filter.
  /// Throws as `check_filter`.
  FilterResolver(std::shared_ptr<const index_tools::SnapshotShard> shard,
                 const PassageFilter& always);
  ~FilterResolver();
  /// Nothing when all rows may be found. Equal filters give the same set while it is remembered.
  /// Throws as `check_filter`.
  [[nodiscard]] std::shared_ptr<const RowSet> resolve(const PassageFilter& filter);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace rookery::retriever_pool
