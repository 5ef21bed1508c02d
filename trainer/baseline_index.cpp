#include "trainer/baseline_index.hpp"

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>

#include "base/error.hpp"
#include "index_tools/faiss/faiss_bridge.hpp"
#include "index_tools/snapshot.hpp"
#include "index_tools/vector_math.hpp"
#include "retriever_pool/retriever.hpp"

namespace rookery::trainer {
namespace {

using Clock = std::chrono::steady_clock;

constexpr auto kDeadline = std::chrono::seconds(60);

BaselineSearch checked(const std::filesystem::path& snapshot, BaselineSearch search) {
  const auto shards = index_tools::load_manifest(snapshot).shards.size();
  if (shards != 1) {
    throw base::UserError(snapshot.string() + ": expected a snapshot of one shard, got " +
                          std::to_string(shards) + "; a baseline holds full copies");
  }
  if (search.kernel != "faiss" && search.kernel != "rookery") {
    throw base::UserError("kernel: expected faiss or rookery, got '" + search.kernel + "'");
  }
  if (search.threads < 1 || search.threads > 256 || search.chunk < 0) {
    throw base::UserError("threads: expected an integer in [1, 256] and a chunk of 0 or more");
  }
  return search;
}

}  // namespace

struct BaselineIndex::Impl {
  explicit Impl(const std::filesystem::path& snapshot, const BaselineSearch& search)
      : shard(index_tools::open_shard(snapshot, 0)) {
    if (search.kernel == "faiss") {
      flat = index_tools::faiss_bridge().open_flat({shard->vectors(), shard->dimension(), false});
    } else {
      ours = retriever_pool::open_embedded_pool(
          {.snapshot = snapshot.string(), .threads = search.threads});
    }
  }

  std::unique_ptr<index_tools::SnapshotShard> shard;  // where the vectors are read from
  std::unique_ptr<index_tools::FaissFlatSearch> flat;
  std::unique_ptr<retriever_pool::Retriever> ours;

  /// One search call: appends to `found`.
  void chunk(std::span<const float> queries, std::int32_t k, const BaselineSearch& search,
             FoundDocuments& found) const {
    if (ours) {
      const auto answer = ours->retrieve({.queries = queries,
                                          .k = k,
                                          .want_passages = false,
                                          .deadline = kDeadline,
                                          .kind = index_tools::IndexKind::kExact});
      for (const auto& row : answer.rows) {
        for (const auto& document : row) found.ids.push_back(document.id);
      }
      return;
    }
    const auto ids = shard->ids();
    for (const std::int64_t row : flat->search(queries, k, search.blas_threshold, search.threads)) {
      found.ids.push_back(row < 0 ? -1 : ids[static_cast<std::size_t>(row)]);
    }
  }
};

BaselineIndex::BaselineIndex(const std::filesystem::path& snapshot, BaselineSearch search)
    : search_(checked(snapshot, std::move(search))),
      impl_(std::make_unique<Impl>(snapshot, search_)) {}

BaselineIndex::~BaselineIndex() = default;

std::int32_t BaselineIndex::dimension() const { return impl_->shard->dimension(); }

FoundDocuments BaselineIndex::find(std::span<const float> queries, std::int32_t k) {
  const auto width = static_cast<std::size_t>(dimension());
  if (queries.size() % width != 0 || k < 1 || k > impl_->shard->count()) {
    throw base::UserError("expected whole queries of " + std::to_string(width) +
                          " floats and k in [1, " + std::to_string(impl_->shard->count()) +
                          "], got " + std::to_string(queries.size()) + " floats and k " +
                          std::to_string(k));
  }
  FoundDocuments found;
  const std::size_t step =
      search_.chunk == 0 ? queries.size() : static_cast<std::size_t>(search_.chunk) * width;
  for (std::size_t begin = 0; begin < queries.size(); begin += step) {
    impl_->chunk(queries.subspan(begin, std::min(step, queries.size() - begin)), k, search_, found);
  }
  found.vectors.resize(found.ids.size() * width);
  for (std::size_t i = 0; i < found.ids.size(); ++i) {
    const auto row = impl_->shard->row_of(found.ids[i]);
    if (!row) throw base::UserError("the search found fewer documents than asked for");
    index_tools::copy_vector(*impl_->shard, *row,
                             std::span(found.vectors).subspan(i * width, width));
  }
  return found;
}

void BaselineIndex::tune(std::span<const float> queries, std::int32_t k) {
  BaselineSearch best = search_;
  std::optional<Clock::duration> least;
  std::vector<BaselineSearch> settings;
  for (const std::int32_t chunk : {8, 0}) {
    BaselineSearch setting = search_;
    setting.chunk = chunk;
    if (search_.kernel == "rookery") {
      settings.push_back(setting);
      continue;
    }
    for (const int threshold : {1, 0}) {
      setting.blas_threshold = threshold;
      setting.threads = search_.threads;
      settings.push_back(setting);
      setting.threads = 1;
      if (search_.threads > 1) settings.push_back(setting);
    }
  }
  for (const BaselineSearch& setting : settings) {
    search_ = setting;
    for (int run = 0; run < 3; ++run) {
      const auto begin = Clock::now();
      (void)find(queries, k);
      const auto took = Clock::now() - begin;
      if (!least || took < *least) {
        least = took;
        best = setting;
      }
      if (took > 2 * *least) break;
    }
  }
  search_ = best;
}

}  // namespace rookery::trainer
