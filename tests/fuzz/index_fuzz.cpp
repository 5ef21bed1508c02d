// Index files from outside: opened, and searched when they are accepted.
#include "base/error.hpp"
#include "retriever_pool/search_team.hpp"
#include "retriever_pool/shard_index.hpp"
#include "tests/fuzz/fuzz_input.hpp"
#include "tests/fuzz/fuzz_shard.hpp"
#include "tests/fuzz/fuzz_targets.hpp"

#include <array>
#include <memory>
#include <string>
#include <vector>

namespace rookery::fuzz {
namespace {

using retriever_pool::Metric;
using retriever_pool::SearchBatch;
using retriever_pool::ShardIndex;

std::shared_ptr<retriever_pool::SearchTeam> team() {
  static const auto kTeam = std::make_shared<retriever_pool::SearchTeam>(1);
  return kTeam;
}

/// Searches with the first rows as queries; any answer will do that breaks no rule.
void search(const ShardIndex& index, const FuzzShard& shard, const SearchBatch& batch) {
  const retriever_pool::HitRows rows = index.search(batch);
  for (const auto& row : rows) {
    require(std::ssize(row) <= batch.k, "more hits than asked for");
    for (std::size_t at = 0; at < row.size(); ++at) {
      require(shard.row_of(row[at].id).has_value(), "a hit that is no passage");
      require(at == 0 || better(row[at - 1], row[at]), "hits out of order");
    }
  }
}

using MakeIndex = std::unique_ptr<ShardIndex> (*)(std::shared_ptr<const index_tools::SnapshotShard>,
                                                  Metric,
                                                  std::shared_ptr<retriever_pool::SearchTeam>);

int fuzz_dense(std::span<const std::byte> bytes, const FuzzShard& rows, const char* name,
               MakeIndex make) {
  const AlignedBytes aligned(bytes);
  const auto shard = std::make_shared<FuzzShard>(rows);
  shard->set_file(name, aligned.bytes());
  int accepted = 0;
  for (const Metric metric : {Metric::kInnerProduct, Metric::kL2}) {
    try {
      const auto index = make(shard, metric, team());
      SearchBatch batch;
      batch.queries = shard->vectors().first(3 * static_cast<std::size_t>(shard->dimension()));
      for (const std::int32_t k : {1, 7, 1024}) {
        batch.k = k;
        search(*index, *shard, batch);
      }
      accepted = 1;
    } catch (const base::UserError&) {
    } catch (const retriever_pool::RetrievalError&) {
    }
  }
  return accepted;
}

}  // namespace

int fuzz_int8(std::span<const std::byte> bytes) {
  static const FuzzShard kShard = int8_shard();
  return fuzz_dense(bytes, kShard, "int8", retriever_pool::make_int8_index);
}

int fuzz_hnsw(std::span<const std::byte> bytes) {
  static const FuzzShard kShard = hnsw_shard();
  return fuzz_dense(bytes, kShard, "hnsw", retriever_pool::make_hnsw_index);
}

int fuzz_ivfpq(std::span<const std::byte> bytes) {
  static const FuzzShard kShard = ivfpq_shard();
  return fuzz_dense(bytes, kShard, "ivfpq", retriever_pool::make_ivfpq_index);
}

int fuzz_bm25(std::span<const std::byte> bytes) {
  static const FuzzShard kShard = bm25_shard();
  const AlignedBytes aligned(bytes);
  const auto shard = std::make_shared<FuzzShard>(kShard);
  shard->set_file("bm25", aligned.bytes());
  try {
    const auto index = retriever_pool::make_bm25_index(shard, team());
    const std::array<std::string, 3> texts{"the colony of rooks", "elm wind", "nothing of it"};
    SearchBatch batch;
    batch.texts = texts;
    for (const std::int32_t k : {1, 7, 1024}) {
      batch.k = k;
      search(*index, *shard, batch);
    }
    return 1;
  } catch (const base::UserError&) {
  } catch (const retriever_pool::RetrievalError&) {
  }
  return 0;
}

}  // namespace rookery::fuzz
