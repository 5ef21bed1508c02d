#include "index_tools/snapshot_diff.hpp"

#include "index_tools/detail/mapped_shard.hpp"
#include "index_tools/manifest.hpp"
#include "index_tools/snapshot.hpp"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <memory>
#include <optional>

namespace rookery::index_tools {
namespace fs = std::filesystem;
namespace {

constexpr std::int64_t kReleaseBytes = 64 << 20;  ///< read between two releases of pages

/// The rows of a generation by rising passage id.
class RowCursor {
 public:
  explicit RowCursor(const fs::path& snapshot)
      : folder_(resolve_generation(snapshot)), manifest_(load_manifest(folder_)) {
    for (const ShardEntry& entry : manifest_.shards) {
      shards_.push_back(detail::map_checked_shard(manifest_, entry, folder_));
      shards_.back()->release_pages();
    }
    rows_.assign(shards_.size(), 0);
    find();
  }
  [[nodiscard]] const Manifest& manifest() const { return manifest_; }
  [[nodiscard]] bool ended() const { return shard_ == shards_.size(); }
  [[nodiscard]] std::int64_t id() const {
    return shards_[shard_]->ids()[static_cast<std::size_t>(row())];
  }
  [[nodiscard]] const SnapshotShard& shard() const { return *shards_[shard_]; }
  [[nodiscard]] std::int64_t row() const { return rows_[shard_]; }
  void advance() {
    ++rows_[shard_];
    unreleased_ += 64 + std::int64_t{4} * manifest_.dimension;
    if (unreleased_ > kReleaseBytes) {
      for (const auto& shard : shards_) shard->release_pages();
      unreleased_ = 0;
    }
    find();
  }

 private:
  /// Few shards, many rows: looking at each head is cheap beside comparing a row.
  void find() {
    shard_ = shards_.size();
    std::int64_t lowest = 0;
    for (std::size_t at = 0; at < shards_.size(); ++at) {
      if (rows_[at] == shards_[at]->count()) continue;
      const std::int64_t id = shards_[at]->ids()[static_cast<std::size_t>(rows_[at])];
      if (shard_ < shards_.size() && id > lowest) continue;
      lowest = id;
      shard_ = at;
    }
  }

  fs::path folder_;
  Manifest manifest_;
  std::vector<std::unique_ptr<detail::MappedShard>> shards_;
  std::vector<std::int64_t> rows_;
  std::size_t shard_ = 0;
  std::int64_t unreleased_ = 0;
};

/// The vector of a row: as it lies where both are float32, else by `copy_vector`.
bool same_vector(const RowCursor& a, const RowCursor& b, std::vector<float>& row_a,
                 std::vector<float>& row_b) {
  if (a.manifest().dimension != b.manifest().dimension) return false;
  if (a.manifest().dimension == 0) return true;
  row_a.resize(static_cast<std::size_t>(a.manifest().dimension));
  row_b.resize(row_a.size());
  copy_vector(a.shard(), a.row(), row_a);
  copy_vector(b.shard(), b.row(), row_b);
  return std::memcmp(row_a.data(), row_b.data(), row_a.size() * sizeof(float)) == 0;
}

bool same_text(const PassageView& a, const PassageView& b) {
  return a.source_id == b.source_id && a.title == b.title && a.text == b.text && a.topic == b.topic;
}

std::optional<std::int32_t> value_of(const RowCursor& cursor) {
  const std::span<const std::int32_t> values = cursor.shard().values();
  if (values.empty()) return std::nullopt;
  return values[static_cast<std::size_t>(cursor.row())];
}

std::vector<std::string> only_in(const std::vector<std::string>& a,
                                 const std::vector<std::string>& b) {
  std::vector<std::string> only;
  std::copy_if(a.begin(), a.end(), std::back_inserter(only), [&](const std::string& spec) {
    return std::find(b.begin(), b.end(), spec) == b.end();
  });
  return only;
}

void compare_facts(const Manifest& a, const Manifest& b, std::vector<std::string>& facts) {
  const auto compare = [&](const std::string& name, const std::string& of_a,
                           const std::string& of_b) {
    const auto shown = [](const std::string& text) { return text.empty() ? "none" : text; };
    if (of_a != of_b) facts.push_back(name + ": " + shown(of_a) + ", then " + shown(of_b));
  };
  compare("corpus", a.corpus, b.corpus);
  compare("sources", std::to_string(a.sources), std::to_string(b.sources));
  compare("shards", std::to_string(a.shards.size()), std::to_string(b.shards.size()));
  compare("metric", a.metric, b.metric);
  compare("vectors", to_string(a.vectors), to_string(b.vectors));
  compare("dimension", std::to_string(a.dimension), std::to_string(b.dimension));
  compare("encoder", a.encoder.name, b.encoder.name);
  compare("encoder's model", a.encoder.model_hash, b.encoder.model_hash);
}

}  // namespace

bool SnapshotDiff::same() const {
  return only_a.count + only_b.count + changed_text.count + changed_vectors.count +
                 changed_values.count ==
             0 &&
         indexes_only_a.empty() && indexes_only_b.empty() && facts.empty();
}

SnapshotDiff diff_snapshots(const fs::path& path_a, const fs::path& path_b, std::int64_t ids_max) {
  RowCursor a(path_a), b(path_b);
  SnapshotDiff diff;
  diff.generation_a = a.manifest().generation;
  diff.generation_b = b.manifest().generation;
  diff.passages_a = a.manifest().passages;
  diff.passages_b = b.manifest().passages;
  diff.indexes_only_a = only_in(a.manifest().indexes, b.manifest().indexes);
  diff.indexes_only_b = only_in(b.manifest().indexes, a.manifest().indexes);
  compare_facts(a.manifest(), b.manifest(), diff.facts);
  const auto note = [&](DiffIds& ids, std::int64_t id) {
    if (++ids.count <= ids_max) ids.first.push_back(id);
  };
  std::vector<float> row_a, row_b;
  while (!a.ended() || !b.ended()) {
    if (b.ended() || (!a.ended() && a.id() < b.id())) {
      note(diff.only_a, a.id());
      a.advance();
    } else if (a.ended() || b.id() < a.id()) {
      note(diff.only_b, b.id());
      b.advance();
    } else {
      if (!same_text(a.shard().passage(a.row()), b.shard().passage(b.row()))) {
        note(diff.changed_text, a.id());
      }
      if (!same_vector(a, b, row_a, row_b)) note(diff.changed_vectors, a.id());
      if (value_of(a) != value_of(b)) note(diff.changed_values, a.id());
      a.advance();
      b.advance();
    }
  }
  return diff;
}

}  // namespace rookery::index_tools
