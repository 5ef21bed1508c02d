#include "retriever_pool/bm25_search.hpp"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <vector>

#include "base/error.hpp"
#include "retriever_pool/detail/bm25_scan.hpp"
#include "retriever_pool/shard_index.hpp"
#include "text/english_analyzer.hpp"

namespace rookery::retriever_pool {
namespace {

using detail::Bm25Scan;

void check_texts(const SearchBatch& batch) {
  const auto refuse = [](const std::string& message) {
    throw RetrievalError(RetrievalFault::kInvalid, message);
  };
  if (batch.k < 1 || batch.k > kDocumentsMax) {
    refuse("k: expected a number of documents in [1, 1024], got " + std::to_string(batch.k));
  }
  if (batch.texts.empty()) refuse("texts: expected at least one query, got an empty batch");
  if (std::ssize(batch.texts) > kBatchMax) {
    refuse("texts: expected at most " + std::to_string(kBatchMax) + " in a batch, got " +
           std::to_string(batch.texts.size()) + "; split the batch");
  }
  for (std::size_t q = 0; q < batch.texts.size(); ++q) {
    if (std::ssize(batch.texts[q]) > kQueryTextBytesMax) {
      refuse("query " + std::to_string(q) + ": expected at most " +
             std::to_string(kQueryTextBytesMax) + " bytes, got " +
             std::to_string(batch.texts[q].size()));
    }
  }
}

/// Scans with their buffers, handed out one a thread.
class ScanPool {
 public:
  explicit ScanPool(const index_tools::Bm25Postings& postings) : postings_(postings) {}
  std::unique_ptr<Bm25Scan> take() {
    const std::lock_guard lock(mutex_);
    if (free_.empty()) return std::make_unique<Bm25Scan>(postings_);
    auto scan = std::move(free_.back());
    free_.pop_back();
    return scan;
  }
  void give_back(std::unique_ptr<Bm25Scan> scan) {
    const std::lock_guard lock(mutex_);
    free_.push_back(std::move(scan));
  }

 private:
  const index_tools::Bm25Postings& postings_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Bm25Scan>> free_;  // at most as many as threads ever searched at once
};

class Bm25ShardIndex final : public ShardIndex {
 public:
  Bm25ShardIndex(std::shared_ptr<const index_tools::SnapshotShard> shard,
                 std::shared_ptr<SearchTeam> team)
      : shard_(std::move(shard)), team_(std::move(team)) {
    const std::string name = "shard " + std::to_string(shard_->shard()) + ": bm25";
    const auto bytes = shard_->file("bm25");
    if (bytes.empty()) {
      throw base::UserError(name + ": expected the file of a BM25 index, found none; add one");
    }
    postings_ = index_tools::open_bm25_postings(bytes, shard_->count(), name);
    const auto ids = shard_->ids();
    if (std::adjacent_find(ids.begin(), ids.end(), std::greater_equal<>()) != ids.end()) {
      throw base::UserError(name + ": expected rising passage ids; rebuild the snapshot");
    }
    scans_ = std::make_unique<ScanPool>(*postings_);
  }

  [[nodiscard]] index_tools::IndexKind kind() const override {
    return index_tools::IndexKind::kBm25;
  }
  [[nodiscard]] std::int32_t dimension() const override { return 0; }
  [[nodiscard]] std::int64_t count() const override { return shard_->count(); }

  [[nodiscard]] HitRows search(const SearchBatch& batch) const override {
    check_texts(batch);
    HitRows rows(batch.texts.size());
    const int parts = static_cast<int>(
        std::min<std::size_t>(batch.texts.size(), static_cast<std::size_t>(team_->size())));
    std::atomic<std::size_t> next{0};
    std::atomic<bool> late{false};
    const bool ran = team_->run(parts, batch.deadline, [&](int) {
      std::unique_ptr<Bm25Scan> scan = scans_->take();
      std::vector<detail::Bm25Hit> hits;
      for (std::size_t q = next++; q < rows.size() && !late; q = next++) {
        const detail::Bm25Query query{batch.texts[q], batch.k, batch.rows.get(), batch.deadline};
        if (!scan->search(query, hits)) late = true;
        rows[q].reserve(hits.size());
        for (const detail::Bm25Hit& hit : hits) {
          rows[q].push_back({shard_->ids()[static_cast<std::size_t>(hit.row)], hit.score});
        }
      }
      scans_->give_back(std::move(scan));
    });
    if (!ran || late) {
      throw RetrievalError(
          RetrievalFault::kDeadline,
          "the deadline passed during the search of shard " + std::to_string(shard_->shard()));
    }
    return rows;
  }

 private:
  std::shared_ptr<const index_tools::SnapshotShard> shard_;
  std::shared_ptr<SearchTeam> team_;  // shared: an embedded pool searches all shards with one team
  std::unique_ptr<index_tools::Bm25Postings> postings_;
  std::unique_ptr<ScanPool> scans_;
};

}  // namespace

std::unique_ptr<ShardIndex> make_bm25_index(std::shared_ptr<const index_tools::SnapshotShard> shard,
                                            std::shared_ptr<SearchTeam> team) {
  return std::make_unique<Bm25ShardIndex>(std::move(shard), std::move(team));
}

float bm25_score(const index_tools::Bm25Postings& statistics, std::string_view query,
                 std::string_view title, std::string_view text) {
  // A speculation cache asks for thousands of pairs: one analyzer a thread remembers its stems.
  thread_local text::EnglishAnalyzer analyzer;
  struct QueryTerm {
    std::string term;
    std::int64_t repeats;
    std::uint32_t frequency;
  };
  std::vector<QueryTerm> terms;
  const auto by_term = [](const QueryTerm& a, std::string_view b) { return a.term < b; };
  for (const std::string_view term : analyzer.analyse(query)) {
    const auto at = std::lower_bound(terms.begin(), terms.end(), term, by_term);
    if (at != terms.end() && at->term == term) {
      ++at->repeats;
    } else {
      terms.insert(at, {std::string(term), 1, 0});
    }
  }
  std::uint32_t length = 0;
  for (const std::string_view part : {title, text}) {
    for (const std::string_view term : analyzer.analyse(part)) {
      ++length;
      const auto at = std::lower_bound(terms.begin(), terms.end(), term, by_term);
      if (at != terms.end() && at->term == term) ++at->frequency;
    }
  }
  const index_tools::Bm25Formula formula = statistics.formula();
  std::int64_t shares = 0;
  for (const QueryTerm& term : terms) {
    if (term.frequency == 0) continue;
    const auto found = statistics.find(term.term);
    if (!found) continue;
    const double weight = index_tools::bm25_weight(statistics.corpus_documents(), found->documents);
    shares += index_tools::bm25_share(weight, formula.ratio(term.frequency, length)) * term.repeats;
  }
  return index_tools::bm25_score_of(shares);
}

}  // namespace rookery::retriever_pool
