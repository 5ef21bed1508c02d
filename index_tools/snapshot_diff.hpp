#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace rookery::index_tools {

/// Passage ids of one kind of difference.
struct DiffIds {
  std::int64_t count = 0;
  std::vector<std::int64_t> first;  ///< the lowest, at most as many as were asked for
};

/// How generation B differs from generation A, passage by passage.
struct SnapshotDiff {
  std::string generation_a, generation_b;
  std::int64_t passages_a = 0, passages_b = 0;
  DiffIds only_a, only_b;
  DiffIds changed_text;     ///< in both, but source id, title, text or topic differ
  DiffIds changed_vectors;  ///< in both, but a bit of the vector (as floats) differs
  DiffIds changed_values;   ///< in both, but the datastore's value differs
  std::vector<std::string> indexes_only_a, indexes_only_b;  ///< specs; a changed one is in both
  /// What else the manifests say differently: "metric: inner_product, then cosine".
  std::vector<std::string> facts;

  [[nodiscard]] bool same() const;
};

/// Compares two generations after checking every block of both. Vectors of another dimension, or
/// none at all on one side, count as changed for every passage that both have. `ids_max` limits the
/// lists, not the counts. Throws `UserError` as `open_shard` does.
SnapshotDiff diff_snapshots(const std::filesystem::path& a, const std::filesystem::path& b,
                            std::int64_t ids_max = 100);

}  // namespace rookery::index_tools
