#include "index_tools/index_files.hpp"

#include "base/error.hpp"
#include "base/thread_team.hpp"
#include "index_tools/bm25_postings.hpp"
#include "index_tools/detail/generation_file.hpp"
#include "index_tools/hnsw_graph.hpp"
#include "index_tools/int8_codes.hpp"
#include "index_tools/ivfpq_lists.hpp"

#include <algorithm>
#include <stdexcept>

namespace rookery::index_tools {
namespace {

void add_spec(std::vector<IndexSpec>& resolved, const IndexSpec& spec) {
  const auto same_kind = [&](const IndexSpec& other) { return other.kind == spec.kind; };
  const auto found = std::find_if(resolved.begin(), resolved.end(), same_kind);
  if (found == resolved.end()) {
    resolved.push_back(spec);
  } else if (to_string(*found) != to_string(spec)) {
    throw base::UserError("index: expected each kind once, got " + to_string(*found) + " and " +
                          to_string(spec));
  }
}

}  // namespace

std::vector<IndexSpec> resolve_index_specs(const std::vector<IndexSpec>& specs) {
  std::vector<IndexSpec> resolved;
  for (const IndexSpec& spec : specs) {
    if (spec.kind == IndexKind::kExact) continue;  // needs no file
    add_spec(resolved, spec);
    if (spec.kind == IndexKind::kHnsw && spec.hnsw.storage == "int8") {
      IndexSpec codes;
      codes.kind = IndexKind::kInt8;
      add_spec(resolved, codes);
    }
  }
  const auto earlier = [](const IndexSpec& a, const IndexSpec& b) { return a.kind < b.kind; };
  std::sort(resolved.begin(), resolved.end(), earlier);
  return resolved;
}

void build_index_files(const IndexBuild& build, const IndexSpec& spec,
                       const IndexFileOpener& open) {
  const std::string name = to_string(spec.kind);
  const int threads = build.threads > 0 ? build.threads : base::usable_cores();
  std::int64_t done = 0, total = 0;
  for (const auto& shard : build.shards) total += shard->count();
  const auto tell = [&] {
    if (build.progress) build.progress(spec, done, total);
  };
  // One shard after the other: a build needs the room of one.
  const auto each = [&](const auto& write) {
    for (const auto& shard : build.shards) {
      write(*shard, open(shard->shard(), name));
      done += shard->count();
      tell();
    }
  };
  tell();
  switch (spec.kind) {
    case IndexKind::kBm25: {
      const Bm25Statistics statistics = collect_bm25_statistics(build.shards);
      each([&](const SnapshotShard& shard, detail::GenerationFile& file) {
        write_bm25_postings(shard, statistics, spec.bm25, file);
      });
      return;
    }
    case IndexKind::kInt8:
      each([&](const SnapshotShard& shard, detail::GenerationFile& file) {
        write_int8_codes(shard, file);
      });
      return;
    case IndexKind::kHnsw:
      each([&](const SnapshotShard& shard, detail::GenerationFile& file) {
        write_hnsw_graph(shard, build.metric, spec.hnsw, threads, file);
      });
      return;
    case IndexKind::kIvfPq: {
      const IvfPqModel model = train_ivfpq(build.shards, build.metric, spec.ivfpq, threads);
      each([&](const SnapshotShard& shard, detail::GenerationFile& file) {
        write_ivfpq_lists(shard, build.metric, model, threads, file);
      });
      return;
    }
    case IndexKind::kExact:
      break;
  }
  throw std::invalid_argument("build_index_files: expected a kind with a file, got " + name);
}

}  // namespace rookery::index_tools
