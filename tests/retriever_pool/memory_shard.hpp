#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "index_tools/snapshot.hpp"
#include "index_tools/vector_math.hpp"
#include "retriever_pool/exact_kernel.hpp"
#include "retriever_pool/retriever.hpp"

namespace rookery::retriever_pool::testing {

/// What the passage of an id says: a few words of a small vocabulary, so that words are shared.
inline std::string text_of(std::int64_t id) {
  static constexpr std::array kWords = {"actor",  "message", "colony", "river", "mountains",
                                        "queens", "running", "été",    "piano", "history"};
  std::string text = "The text of passage " + std::to_string(id) + ",";
  auto number = static_cast<std::uint64_t>(id) * 2654435761U + 12345;
  for (std::uint64_t word = 0; word < 3 + number % 6; ++word) {
    text += std::string(" ") + kWords[(number >> (3 * word)) % kWords.size()];
  }
  return text + "\n";
}

/// A shard in memory, with the same interface as a mapped one.
class MemoryShard final : public index_tools::SnapshotShard {
 public:
  MemoryShard(std::int32_t shard, std::int32_t dimension, std::vector<std::int64_t> ids,
              std::vector<float> vectors)
      : shard_(shard), dimension_(dimension), ids_(std::move(ids)), vectors_(std::move(vectors)) {
    for (const std::int64_t id : ids_) {
      sources_.push_back("source-" + std::to_string(id / 2));
      titles_.push_back(id % 3 == 0 ? "" : "Title " + std::to_string(id));
      texts_.push_back(text_of(id));
      topics_.push_back(id % 7 == 0 ? "" : "topic " + std::to_string(id % 5));
    }
  }
  /// Entries of a kNN datastore stand for these.
  void set_values(std::vector<std::int32_t> values) { values_ = std::move(values); }
  /// The bytes of an index file; aligned as a mapped one.
  void set_file(const std::string& name, std::string_view bytes) {
    auto& words = files_[name];
    words.resize((bytes.size() + sizeof(Line) - 1) / sizeof(Line));
    std::memcpy(words.data(), bytes.data(), bytes.size());
    file_bytes_[name] = bytes.size();
  }
  [[nodiscard]] index_tools::VectorType vector_type() const override {
    return dimension_ == 0 ? index_tools::VectorType::kNone : index_tools::VectorType::kFloat32;
  }
  [[nodiscard]] std::span<const std::int32_t> values() const override { return values_; }
  [[nodiscard]] std::span<const std::byte> file(std::string_view name) const override {
    const auto found = files_.find(std::string(name));
    if (found == files_.end()) return {};
    return std::as_bytes(std::span(found->second)).first(file_bytes_.at(found->first));
  }
  [[nodiscard]] std::int32_t shard() const override { return shard_; }
  [[nodiscard]] std::int64_t count() const override { return std::ssize(ids_); }
  [[nodiscard]] std::int32_t dimension() const override { return dimension_; }
  [[nodiscard]] std::span<const std::int64_t> ids() const override { return ids_; }
  [[nodiscard]] std::span<const float> vectors() const override { return vectors_; }
  [[nodiscard]] index_tools::PassageView passage(std::int64_t row) const override {
    const auto r = static_cast<std::size_t>(row);
    return {ids_[r], sources_[r], titles_[r], texts_[r], topics_[r]};
  }
  [[nodiscard]] std::optional<std::int64_t> row_of(std::int64_t id) const override {
    const auto found = std::lower_bound(ids_.begin(), ids_.end(), id);
    if (found == ids_.end() || *found != id) return std::nullopt;
    return found - ids_.begin();
  }

 private:
  std::int32_t shard_, dimension_;
  std::vector<std::int64_t> ids_;
  std::vector<float> vectors_;
  std::vector<std::string> sources_, titles_, texts_, topics_;
  std::vector<std::int32_t> values_;
  struct alignas(64) Line {
    std::array<std::byte, 64> bytes;
  };
  std::map<std::string, std::vector<Line>> files_;
  std::map<std::string, std::size_t> file_bytes_;
};

inline std::vector<float> random_vectors(std::mt19937_64& random, std::int64_t rows,
                                         std::int32_t dimension) {
  std::normal_distribution<float> normal(0.0F, 0.3F);
  std::vector<float> vectors(static_cast<std::size_t>(rows * dimension));
  for (float& value : vectors) value = normal(random);
  return vectors;
}

/// A corpus with passages that are equal to each other, so that ties are always there: every fifth
/// row repeats the one before it.
struct Corpus {
  std::int32_t dimension;
  std::vector<std::int64_t> ids;
  std::vector<float> vectors;

  Corpus(std::uint64_t seed, std::int64_t rows, std::int32_t dim) : dimension(dim) {
    std::mt19937_64 random(seed);
    vectors = random_vectors(random, rows, dim);
    for (std::int64_t row = 0; row < rows; ++row) {
      ids.push_back(row * 3 + static_cast<std::int64_t>(random() % 3));
      if (row % 5 == 4) {
        std::copy_n(vectors.begin() + (row - 1) * dim, dim, vectors.begin() + row * dim);
      }
    }
  }

  /// Row r goes to shard r % shards.
  [[nodiscard]] std::vector<std::shared_ptr<MemoryShard>> memory_shards(std::int32_t shards) const {
    std::vector<std::shared_ptr<MemoryShard>> result;
    for (std::int32_t s = 0; s < shards; ++s) {
      std::vector<std::int64_t> part_ids;
      std::vector<float> part;
      for (std::size_t row = static_cast<std::size_t>(s); row < ids.size();
           row += static_cast<std::size_t>(shards)) {
        part_ids.push_back(ids[row]);
        const auto begin = vectors.begin() + static_cast<std::ptrdiff_t>(row) * dimension;
        part.insert(part.end(), begin, begin + dimension);
      }
      result.push_back(std::make_shared<MemoryShard>(s, dimension, part_ids, part));
    }
    return result;
  }
  [[nodiscard]] std::vector<std::shared_ptr<const index_tools::SnapshotShard>> split(
      std::int32_t shards) const {
    const auto parts = memory_shards(shards);
    return {parts.begin(), parts.end()};
  }

  /// Every pair scored alone by law 1, all sorted: the unsharded oracle. `left` tells by id what
  /// may be found. Under cosine the corpus must be normalised, the query need not.
  [[nodiscard]] std::vector<Hit> oracle(std::span<const float> given, std::int32_t k, Metric metric,
                                        const std::function<bool(std::int64_t)>& left = {}) const {
    std::vector<Hit> hits;
    std::vector<float> query(given.begin(), given.end());
    if (metric == Metric::kCosine) (void)index_tools::normalise_rows(query, dimension);
    for (std::size_t row = 0; row < ids.size(); ++row) {
      if (left && !left(ids[row])) continue;
      const auto dim = static_cast<std::size_t>(dimension);
      hits.push_back(
          {ids[row], exact_score(metric, query, std::span(vectors).subspan(row * dim, dim))});
    }
    std::sort(hits.begin(), hits.end(), better);
    hits.resize(std::min(hits.size(), static_cast<std::size_t>(k)));
    return hits;
  }
};

inline IndexDescription describe(const Corpus& corpus, std::int32_t shards,
                                 const std::string& generation = "7f3a",
                                 const std::string& metric = "inner_product") {
  IndexDescription index;
  index.generation = generation;
  index.metric = metric;
  index.encoder_hash = "hash";
  index.encoder_name = "encoder";
  index.pooling = "mean";
  index.dimension = corpus.dimension;
  index.shards = shards;
  index.passages = std::ssize(corpus.ids);
  index.sources = std::ssize(corpus.ids);
  return index;
}

/// Hits of row i of an answer.
inline std::vector<Hit> hits_of(const std::vector<Document>& row) {
  std::vector<Hit> hits;
  for (const Document& document : row) hits.push_back({document.id, document.score});
  return hits;
}

}  // namespace rookery::retriever_pool::testing
