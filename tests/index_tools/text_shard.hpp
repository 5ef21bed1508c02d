#pragma once

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "index_tools/bm25_postings.hpp"
#include "index_tools/snapshot.hpp"

namespace rookery::index_tools::testing {

struct Text {
  std::int64_t id;
  std::string title, text;
};

/// A shard of texts in memory, without vectors.
class TextShard final : public SnapshotShard {
 public:
  TextShard(std::int32_t shard, std::vector<Text> texts) : shard_(shard), texts_(std::move(texts)) {
    for (const Text& text : texts_) ids_.push_back(text.id);
  }
  [[nodiscard]] std::int32_t shard() const override { return shard_; }
  [[nodiscard]] std::int64_t count() const override { return std::ssize(texts_); }
  [[nodiscard]] std::int32_t dimension() const override { return 0; }
  [[nodiscard]] std::span<const std::int64_t> ids() const override { return ids_; }
  [[nodiscard]] VectorType vector_type() const override { return VectorType::kNone; }
  [[nodiscard]] std::span<const float> vectors() const override { return {}; }
  [[nodiscard]] std::span<const std::byte> file(std::string_view name) const override {
    return name == "bm25" ? std::span(bm25_).first(bm25_bytes_) : std::span<const std::byte>{};
  }
  [[nodiscard]] PassageView passage(std::int64_t row) const override {
    const Text& text = texts_[static_cast<std::size_t>(row)];
    return {text.id, "", text.title, text.text};
  }
  [[nodiscard]] std::optional<std::int64_t> row_of(std::int64_t id) const override {
    const auto found = std::lower_bound(ids_.begin(), ids_.end(), id);
    if (found == ids_.end() || *found != id) return std::nullopt;
    return found - ids_.begin();
  }
  [[nodiscard]] const std::vector<Text>& texts() const { return texts_; }

  /// Writes the postings as a build would and keeps their bytes.
  void index(const Bm25Statistics& statistics, const Bm25Parameters& parameters = {}) {
    std::string file;
    write_bm25_postings(*this, statistics, parameters, [&](std::span<const std::byte> bytes) {
      file.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    });
    set_file(file);
  }
  void set_file(const std::string& bytes) {
    bm25_.resize(bytes.size());
    bm25_bytes_ = bytes.size();
    std::memcpy(bm25_.data(), bytes.data(), bytes.size());
  }

 private:
  std::int32_t shard_;
  std::vector<Text> texts_;
  std::vector<std::int64_t> ids_;
  std::vector<std::byte> bm25_;
  std::size_t bm25_bytes_ = 0;
};

/// Row r goes to shard r % shards; all are indexed with the statistics of the whole.
inline std::vector<std::shared_ptr<const SnapshotShard>> indexed_shards(
    const std::vector<Text>& texts, std::int32_t shards, const Bm25Parameters& parameters = {}) {
  std::vector<std::vector<Text>> parts(static_cast<std::size_t>(shards));
  for (std::size_t row = 0; row < texts.size(); ++row) {
    parts[row % static_cast<std::size_t>(shards)].push_back(texts[row]);
  }
  std::vector<std::shared_ptr<TextShard>> made;
  std::vector<std::shared_ptr<const SnapshotShard>> all;
  for (std::int32_t s = 0; s < shards; ++s) {
    made.push_back(std::make_shared<TextShard>(s, parts[static_cast<std::size_t>(s)]));
    all.push_back(made.back());
  }
  const Bm25Statistics statistics = collect_bm25_statistics(all);
  for (const auto& shard : made) shard->index(statistics, parameters);
  return all;
}

/// Texts of the words w0, w1, …, the n-th drawn about 1/n as often as the first; some passages
/// repeat the one before, so that ties are always there, some are empty.
inline std::vector<Text> random_texts(std::mt19937_64& random, std::int64_t count,
                                      std::int32_t vocabulary, std::int32_t words_max) {
  std::vector<double> weights;
  for (std::int32_t n = 1; n <= vocabulary; ++n) weights.push_back(1.0 / n);
  std::discrete_distribution<std::int32_t> word(weights.begin(), weights.end());
  std::vector<Text> texts;
  for (std::int64_t row = 0; row < count; ++row) {
    Text text{row * 3 + static_cast<std::int64_t>(random() % 3), "", ""};
    if (row % 7 == 6) {
      text.title = texts.back().title;
      text.text = texts.back().text;
    } else if (row % 31 != 30) {
      text.title = "w" + std::to_string(word(random));
      const auto length = random() % static_cast<std::uint64_t>(words_max);
      for (std::uint64_t n = 0; n < length; ++n)
        text.text += "w" + std::to_string(word(random)) + " ";
    }
    texts.push_back(std::move(text));
  }
  return texts;
}

}  // namespace rookery::index_tools::testing
