#include "retriever_pool/answer_merge.hpp"

#include <algorithm>
#include <span>

#include "retriever_pool/hit_merge.hpp"

namespace rookery::retriever_pool {

RetrievalAnswer merge_answers(std::vector<wire::AnswerBody> shards, std::int32_t k) {
  RetrievalAnswer answer;
  answer.shards_wanted = answer.shards_answered = static_cast<std::int32_t>(shards.size());
  std::uint64_t slowest = 0;
  std::size_t batch = 0;
  for (const auto& shard : shards) {
    slowest = std::max(slowest, shard.search_us);
    batch = std::max(batch, shard.rows.size());
  }
  answer.search_time = std::chrono::microseconds(slowest);
  answer.rows.resize(batch);
  std::vector<std::vector<Hit>> hits(shards.size());
  std::vector<std::span<const Hit>> sources(shards.size());
  for (std::size_t row = 0; row < batch; ++row) {
    for (std::size_t s = 0; s < shards.size(); ++s) {
      hits[s].clear();
      for (const Document& document : shards[s].rows[row]) {
        hits[s].push_back({document.id, document.score});
      }
      sources[s] = hits[s];
    }
    for (const MergedHit& merged : merge_hits(sources, k)) {
      auto& source = shards[static_cast<std::size_t>(merged.source)].rows[row];
      answer.rows[row].push_back(std::move(source[static_cast<std::size_t>(merged.position)]));
    }
  }
  return answer;
}

}  // namespace rookery::retriever_pool
