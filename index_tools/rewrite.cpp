#include "index_tools/rewrite.hpp"

#include "base/error.hpp"
#include "index_tools/detail/index_builder.hpp"
#include "index_tools/detail/line_reader.hpp"
#include "index_tools/detail/publish.hpp"
#include "index_tools/detail/rewriting.hpp"
#include "index_tools/index_files.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <optional>
#include <string_view>
#include <utility>

namespace rookery::index_tools {
namespace fs = std::filesystem;
namespace {

using detail::MappedShard;
using detail::Rewriting;

void make_durable(const fs::path& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  const bool synced = descriptor >= 0 && ::fsync(descriptor) == 0;
  const int problem = errno;
  if (descriptor >= 0) ::close(descriptor);
  if (!synced) {
    throw base::UserError(path.string() + ": cannot be written: " + std::strerror(problem));
  }
}

/// The same file in another folder: linked, else copied.
void take_over(const fs::path& from, const fs::path& to, RewriteReport& report) {
  std::error_code error;
  fs::create_hard_link(from, to, error);
  if (!error) {
    ++report.files_linked;
    return;
  }
  fs::copy_file(from, to, error);
  if (error) {
    throw base::UserError(to.string() + ": cannot be copied from " + from.string() + ": " +
                          error.message());
  }
  make_durable(to);
  ++report.files_copied;
}

/// `wanted` over `present`: a kind's newer spec takes the older one's place.
std::vector<IndexSpec> combine(std::vector<IndexSpec> present,
                               const std::vector<IndexSpec>& wanted) {
  for (const IndexSpec& spec : wanted) {
    std::erase_if(present, [&](const IndexSpec& old) { return old.kind == spec.kind; });
    present.push_back(spec);
  }
  return resolve_index_specs(present);
}

/// The old generation's row files and those index files that stay, in a new folder.
Manifest link_files(Rewriting& rewriting, const fs::path& work,
                    const std::vector<std::string>& kept) {
  Manifest manifest = rewriting.base();
  manifest.schema = kManifestSchema;
  manifest.content_key = rewriting.content_key();
  manifest.next_id = std::max(manifest.next_id, rewriting.next_id());
  for (ShardEntry& shard : manifest.shards) {
    std::error_code error;
    const fs::path folder = work / ("shard-" + std::to_string(shard.shard));
    fs::create_directories(folder, error);
    if (error) throw base::UserError(folder.string() + ": cannot be made: " + error.message());
    std::erase_if(shard.files, [&](const FileEntry& file) {
      return std::find(kept.begin(), kept.end(), file.path.substr(file.path.find('/') + 1)) ==
             kept.end();
    });
    for (const FileEntry& file : shard.files) {
      take_over(rewriting.base_folder() / file.path, work / file.path, rewriting.report);
    }
  }
  return manifest;
}

}  // namespace

std::vector<std::int64_t> read_id_list(const fs::path& path) {
  constexpr std::int64_t kLineBytesMax = 1024;
  detail::LineReader lines(path, kLineBytesMax);
  std::vector<std::int64_t> ids;
  while (const std::optional<std::string_view> line = lines.next()) {
    std::int64_t id = 0;
    const auto [end, problem] = std::from_chars(line->data(), line->data() + line->size(), id);
    if (problem != std::errc() || end != line->data() + line->size() || id < 0) {
      throw base::UserError(lines.where() + "expected a passage id from 0, got '" +
                            std::string(line->substr(0, 40)) + "'");
    }
    ids.push_back(id);
  }
  if (ids.empty()) throw base::UserError(path.string() + ": expected passage ids, found none");
  return ids;
}

RewriteReport add_indexes(const RewriteOptions& options, const std::vector<IndexSpec>& indexes) {
  Rewriting rewriting(options);
  const Manifest& base = rewriting.base();
  const std::vector<IndexSpec> all = combine(rewriting.indexes(), resolve_index_specs(indexes));
  detail::check_specs_fit(all, base.vectors, base.dimension);
  Manifest wanted = base;
  wanted.content_key = rewriting.content_key();
  wanted.indexes.clear();
  std::vector<IndexSpec> fresh;
  std::vector<std::string> kept{"ids", "passages", "vectors", "values"};
  bool int8_changes = false;
  for (const IndexSpec& spec : all) {
    const std::string text = to_string(spec);
    wanted.indexes.push_back(text);
    bool stays = std::find(base.indexes.begin(), base.indexes.end(), text) != base.indexes.end();
    // A graph over int8 codes is read together with them.
    if (spec.kind == IndexKind::kInt8) int8_changes = !stays;
    if (spec.kind == IndexKind::kHnsw && spec.hnsw.storage == "int8" && int8_changes) stays = false;
    if (stays) {
      kept.push_back(to_string(spec.kind));
    } else {
      fresh.push_back(spec);
    }
  }
  if (fresh.empty()) return rewriting.keep_base();
  wanted.build_key = detail::layout_key(wanted, base.shards.size());
  return rewriting.finish(wanted.build_key, [&](const fs::path& work) {
    (void)rewriting.shards();  // checked before a link is made
    const fs::path folder = work / "generation";
    std::error_code ignored;
    fs::remove_all(folder, ignored);
    Manifest manifest = link_files(rewriting, folder, kept);
    manifest.indexes = wanted.indexes;
    manifest.build_key = wanted.build_key;
    const SnapshotWriterOptions layout = rewriting.layout(1);
    detail::build_indexes(folder, manifest, fresh, layout.threads, layout.index_progress);
    rewriting.check_current();
    detail::publish_generation(rewriting.name(), folder, manifest);
    return manifest;
  });
}

RewriteReport reshard_snapshot(const RewriteOptions& options, std::int32_t shards) {
  Rewriting rewriting(options);
  const Manifest& base = rewriting.base();
  if (shards < 1 || shards > 1024 || shards > base.passages) {
    throw base::UserError("shards: expected a number in [1, " +
                          std::to_string(std::min<std::int64_t>(1024, base.passages)) + "] for " +
                          std::to_string(base.passages) + " passages, got " +
                          std::to_string(shards));
  }
  Manifest facts = base;
  facts.content_key = rewriting.content_key();
  facts.build_key = detail::layout_key(facts, static_cast<std::size_t>(shards));
  return rewriting.finish(facts.build_key, [&](const fs::path& work) {
    (void)rewriting.shards();
    SnapshotWriter writer(rewriting.name(), work / "generation", facts, rewriting.layout(shards));
    std::int64_t done = 0;
    rewriting.for_each_row([&](const MappedShard& shard, std::int64_t row) {
      writer.copy(shard, row);
      rewriting.tell("copying", ++done, base.passages, "passages");
    });
    rewriting.check_current();
    return writer.commit();
  });
}

RewriteReport delete_passages(const RewriteOptions& options, const DeleteOptions& remove) {
  Rewriting rewriting(options);
  const Manifest& base = rewriting.base();
  std::vector<std::int64_t> ids = remove.ids;
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  const std::int64_t asked = std::ssize(ids);
  const auto is_missing = [&](std::int64_t id) {
    const auto& shards = rewriting.shards();
    return id < 0 || !shards[static_cast<std::size_t>(id % std::ssize(shards))]->row_of(id);
  };
  if (!remove.ignore_missing) {
    const auto missing = std::find_if(ids.begin(), ids.end(), is_missing);
    if (missing != ids.end()) {
      throw base::UserError("ids: expected passages of generation " + base.generation + ", got " +
                            std::to_string(*missing) +
                            ", which is not there; --ignore-missing passes over such ids");
    }
  } else {
    std::erase_if(ids, is_missing);
  }
  rewriting.report.ids_missing = asked - std::ssize(ids);
  rewriting.report.passages_removed = std::ssize(ids);
  if (ids.empty()) return rewriting.keep_base();
  if (std::ssize(ids) == base.passages) {
    throw base::UserError("ids: expected to leave passages, got all " +
                          std::to_string(base.passages) + " of generation " + base.generation);
  }
  std::string facts = "rookery delete 2\ncontent " + rewriting.content_key() + "\n";
  for (const std::int64_t id : ids) facts += std::to_string(id) + "\n";
  Manifest after = base;
  after.content_key = detail::key_of(facts);
  after.next_id = std::max(after.next_id, rewriting.next_id());
  after.build_key = detail::layout_key(after, base.shards.size());

  return rewriting.finish(after.build_key, [&](const fs::path& work) {
    // Which sources go with all their passages; those without a name count as one each.
    std::string source;
    bool source_stays = true;
    after.sources = std::max<std::int64_t>(0, base.sources);
    const auto end_source = [&] { after.sources -= source_stays ? 0 : 1; };
    rewriting.for_each_row([&](const MappedShard& shard, std::int64_t row) {
      const PassageView passage = shard.passage(row);
      if (passage.source_id.empty() || passage.source_id != source) {
        end_source();
        source = passage.source_id;
        source_stays = false;
      }
      source_stays |= !std::binary_search(ids.begin(), ids.end(), passage.id);
    });
    end_source();
    SnapshotWriter writer(rewriting.name(), work / "generation", after,
                          rewriting.layout(static_cast<std::int32_t>(base.shards.size())));
    std::int64_t done = 0;
    rewriting.for_each_row([&](const MappedShard& shard, std::int64_t row) {
      const std::int64_t id = shard.ids()[static_cast<std::size_t>(row)];
      if (!std::binary_search(ids.begin(), ids.end(), id)) writer.copy(shard, row);
      rewriting.tell("copying", ++done, base.passages, "passages");
    });
    rewriting.check_current();
    return writer.commit();
  });
}

}  // namespace rookery::index_tools
