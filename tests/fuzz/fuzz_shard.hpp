#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "index_tools/snapshot.hpp"

namespace rookery::fuzz {

/// The shard whose index files are fuzzed: always the same rows, so that a corpus of index files
/// fits it. Row r is passage 2 r.
class FuzzShard final : public index_tools::SnapshotShard {
 public:
  FuzzShard(std::int64_t count, std::int32_t dimension) : dimension_(dimension) {
    std::uint64_t state = 1;
    const auto next = [&] {
      state = state * 6364136223846793005ULL + 1442695040888963407ULL;
      return state >> 40;
    };
    const std::vector<std::string> words{"colony", "rooks",  "nest", "in", "tall",
                                         "elms",   "spring", "the",  "a",  "wind"};
    for (std::int64_t row = 0; row < count; ++row) {
      ids_.push_back(2 * row);
      for (std::int32_t i = 0; i < dimension; ++i) {
        vectors_.push_back(static_cast<float>(next()) / 16777216.0F - 0.5F);
      }
      std::string text;
      for (std::uint64_t word = 0; word <= next() % 12; ++word) {
        text += words[next() % words.size()] + " ";
      }
      texts_.push_back(text);
    }
  }
  /// The bytes that `file(name)` gives; must outlive the shard.
  void set_file(std::string name, std::span<const std::byte> bytes) {
    name_ = std::move(name);
    bytes_ = bytes;
  }

  [[nodiscard]] std::int32_t shard() const override { return 0; }
  [[nodiscard]] std::int64_t count() const override { return std::ssize(ids_); }
  [[nodiscard]] std::int32_t dimension() const override { return dimension_; }
  [[nodiscard]] std::span<const std::int64_t> ids() const override { return ids_; }
  [[nodiscard]] std::span<const float> vectors() const override { return vectors_; }
  [[nodiscard]] std::span<const std::byte> file(std::string_view name) const override {
    return name == name_ ? bytes_ : std::span<const std::byte>{};
  }
  [[nodiscard]] index_tools::PassageView passage(std::int64_t row) const override {
    return {ids_[static_cast<std::size_t>(row)], "", "Rook", texts_[static_cast<std::size_t>(row)]};
  }
  [[nodiscard]] std::optional<std::int64_t> row_of(std::int64_t id) const override {
    if (id < 0 || id % 2 != 0 || id / 2 >= count()) return std::nullopt;
    return id / 2;
  }

 private:
  std::int32_t dimension_;
  std::vector<std::int64_t> ids_;
  std::vector<float> vectors_;
  std::vector<std::string> texts_;
  std::string name_;
  std::span<const std::byte> bytes_;
};

// Rows and dimensions of the shards, per kind: small files, but more than one block or list of
// each.
inline FuzzShard bm25_shard() { return {140, 1}; }
inline FuzzShard int8_shard() { return {20, 8}; }
inline FuzzShard hnsw_shard() { return {40, 4}; }
inline FuzzShard ivfpq_shard() { return {300, 4}; }

}  // namespace rookery::fuzz
