#include "index_tools/index_files.hpp"

#include "base/error.hpp"
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

std::vector<IndexSpec> resolve_index_specs(std::vector<IndexSpec> specs) {
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
  (void)open;
  throw base::UserError("index: " + to_string(spec.kind) + " of " +
                        std::to_string(build.shards.size()) + " shards is not built yet");
}

}  // namespace rookery::index_tools
