#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "index_tools/snapshot.hpp"
#include "retriever_pool/passage_filter.hpp"
#include "retriever_pool/shard_index.hpp"

namespace rookery::retriever_pool {

struct ShardIndexesOptions {
  std::string metric = "inner_product";             ///< as in the manifest
  std::optional<index_tools::IndexKind> kind = {};  ///< of queries that name none
  SearchTuning tuning = {};                         ///< where a query says 0
  PassageFilter filter = {};                        ///< holds for every query
};

/// "exact, bm25", for messages; "nothing" when there are none.
std::string kind_names(const std::vector<index_tools::IndexKind>& kinds);

/// The kind of queries that name none: the wanted one, else exact where it is, else bm25. Throws
/// `UserError` naming `where`, what is there and the command that adds what is not.
index_tools::IndexKind resolve_default_kind(const std::vector<index_tools::IndexKind>& kinds,
                                            std::optional<index_tools::IndexKind> wanted,
                                            const std::string& where);

/// As `ShardIndexes::kind_for`, of a pool that has `kinds`.
index_tools::IndexKind resolve_request_kind(const std::vector<index_tools::IndexKind>& kinds,
                                            index_tools::IndexKind default_kind,
                                            std::optional<index_tools::IndexKind> wanted,
                                            bool texts);

/// All the ways in which one shard can be searched: exact where there are vectors, and every index
/// file that it has. What a node serves and what an embedded pool holds per shard. Any thread may
/// call.
class ShardIndexes {
 public:
  /// Throws `UserError` when a file is unsound or the wanted kind is not there, naming those that
  /// are.
  ShardIndexes(std::shared_ptr<const index_tools::SnapshotShard> shard,
               const std::shared_ptr<SearchTeam>& team, const ShardIndexesOptions& options);
  ~ShardIndexes();

  [[nodiscard]] const index_tools::SnapshotShard& shard() const;
  [[nodiscard]] std::vector<index_tools::IndexKind> kinds() const;  ///< by rising number
  /// Unless options say otherwise: exact where there are vectors, else bm25.
  [[nodiscard]] index_tools::IndexKind default_kind() const;
  /// The kind that answers this request: its own, else bm25 for texts, else the default. Throws
  /// `RetrievalError` (kInvalid) when it is not here, or when texts meet a dense kind.
  [[nodiscard]] index_tools::IndexKind kind_for(std::optional<index_tools::IndexKind> wanted,
                                                bool texts) const;
  [[nodiscard]] const ShardIndex& index(index_tools::IndexKind kind) const;
  /// With the options' numbers where `wanted` has 0.
  [[nodiscard]] SearchTuning tuning(const SearchTuning& wanted) const;
  /// Rows that the pool's own filter and this one leave; nothing when that is all.
  [[nodiscard]] std::shared_ptr<const RowSet> rows(const PassageFilter& filter) const;
  /// Row i holds passage `ids[i]` with score 0 when it is in this shard and the pool's own filter
  /// and this one leave it.
  [[nodiscard]] HitRows look_up(std::span<const std::int64_t> ids,
                                const PassageFilter& filter) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace rookery::retriever_pool
