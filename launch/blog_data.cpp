#include "launch/blog_data.hpp"

#include <string>

#include "base/error.hpp"
#include "index_tools/npy_file.hpp"
#include "index_tools/snapshot_writer.hpp"
#include "launch/clustered_vectors.hpp"
#include "retriever_pool/machine_limits.hpp"
#include "retriever_pool/retriever.hpp"
#include "retriever_pool/search_team.hpp"

namespace rookery::launch {
namespace fs = std::filesystem;

BlogData::BlogData(const Options& options) : options_(options) {
  fs::create_directories(options.folder);
  const ClusteredVectors source(options.dimension, options.seed);
  index_tools::write_npy(options.folder / "vectors.npy",
                         source.rows(0, options.vectors, options.threads), options.dimension);
  index_tools::write_npy(queries(), source.rows(options.vectors, kQueries, options.threads),
                         options.dimension);
  vectors_ = std::make_unique<index_tools::NpyFile>(options.folder / "vectors.npy");
  find_best();
}

void BlogData::find_best() {
  const auto oracle = retriever_pool::open_embedded_pool(
      {.snapshot = snapshot(1).string(), .threads = options_.threads});
  const index_tools::NpyFile file(queries());
  const auto width = static_cast<std::size_t>(options_.dimension);
  constexpr std::int64_t kTogether = 128;
  std::vector<float> batch(static_cast<std::size_t>(kTogether) * width);
  for (std::int64_t begin = 0; begin < kQueries; begin += kTogether) {
    for (std::int64_t i = 0; i < kTogether; ++i) {
      file.copy_row(begin + i,
                    std::span(batch).subspan(static_cast<std::size_t>(i) * width, width));
    }
    const auto answer = oracle->retrieve({.queries = batch,
                                          .k = kDocuments,
                                          .want_passages = false,
                                          .deadline = std::chrono::seconds(600),
                                          .kind = index_tools::IndexKind::kExact});
    for (const auto& row : answer.rows) {
      auto& best = best_.emplace_back();
      for (const auto& document : row) best.insert(document.id);
    }
  }
}

double BlogData::megabytes() const {
  return static_cast<double>(options_.vectors) * options_.dimension * sizeof(float) / 1e6;
}

fs::path BlogData::snapshot(std::int32_t shards) {
  if (const auto built = snapshots_.find(shards); built != snapshots_.end()) return built->second;
  const fs::path name = options_.folder / ("snapshot-" + std::to_string(shards));
  index_tools::Manifest facts;
  facts.build_key = "blog";
  facts.corpus = "clustered";
  facts.sources = options_.vectors;
  facts.dimension = options_.dimension;
  facts.encoder.dimension = options_.dimension;
  facts.encoder.normalised = true;
  index_tools::SnapshotWriterOptions writing;
  writing.shards = shards;
  writing.threads = options_.threads;
  writing.indexes = {index_tools::parse_index_spec("int8")};
  if (options_.hnsw && shards == 1) {
    writing.indexes.push_back(index_tools::parse_index_spec("hnsw:m=32,ef_construction=40"));
  }
  index_tools::SnapshotWriter writer(name, fs::path(name).concat(".work"), facts, writing);
  const index_tools::NpyFile vectors(options_.folder / "vectors.npy");
  std::vector<float> row(static_cast<std::size_t>(options_.dimension));
  for (std::int64_t i = 0; i < options_.vectors; ++i) {
    vectors.copy_row(i, row);
    const std::string id = std::to_string(i);
    writer.add({i, id, "", "passage " + id}, row);
  }
  writer.commit();
  return snapshots_[shards] = name;
}

double BlogData::recall(const std::vector<std::int64_t>& query_rows,
                        const std::vector<std::int64_t>& ids, const std::vector<float>& ends) {
  const auto width = static_cast<std::size_t>(options_.dimension);
  const std::size_t k = query_rows.empty() ? 0 : ids.size() / query_rows.size();
  if (k != static_cast<std::size_t>(kDocuments) || ends.size() != 2 * ids.size()) {
    throw base::UserError("expected " + std::to_string(kDocuments) +
                          " documents with their vectors a query, got " + std::to_string(k));
  }
  std::size_t found = 0;
  std::vector<float> vector(width);
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const auto asked = static_cast<std::size_t>(query_rows[i / k]);
    found += best_.at(asked).contains(ids[i]) ? 1U : 0U;
    const bool known = ids[i] >= 0 && ids[i] < options_.vectors;
    if (known) vectors_->copy_row(ids[i], vector);
    if (!known || vector.front() != ends[2 * i] || vector.back() != ends[2 * i + 1]) {
      throw base::UserError("document " + std::to_string(ids[i]) +
                            " came with a vector that is not its own");
    }
  }
  return static_cast<double>(found) / static_cast<double>(ids.size());
}

BlogData::Bounds BlogData::bounds(int threads) {
  retriever_pool::SearchTeam team(threads);
  Bounds best;
  for (int i = 0; i < 5; ++i) {
    best.gflops = std::max(best.gflops, retriever_pool::peak_gflops(team));
    const double pass = retriever_pool::pass_ms(vectors_->bytes(), team);
    best.pass_ms = best.pass_ms > 0 ? std::min(best.pass_ms, pass) : pass;
  }
  return best;
}

}  // namespace rookery::launch
