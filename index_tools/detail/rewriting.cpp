#include "index_tools/detail/rewriting.hpp"

#include "base/atomic_file.hpp"
#include "base/checksum.hpp"
#include "base/error.hpp"
#include "index_tools/detail/publish.hpp"

#include <algorithm>
#include <functional>
#include <queue>
#include <utility>

namespace rookery::index_tools::detail {
namespace fs = std::filesystem;
namespace {

constexpr std::int64_t kReleaseBytes = 64 << 20;  ///< read between two releases of pages
constexpr std::int64_t kProgressRows = 4096;

std::string current_of(const fs::path& name) {
  std::error_code error;
  return fs::exists(name / "CURRENT", error) ? base::read_file(name / "CURRENT") : "";
}

}  // namespace

std::string key_of(const std::string& facts) {
  return base::sha256_hex(std::as_bytes(std::span(facts)));
}

Rewriting::Rewriting(const RewriteOptions& options) : options_(options) {
  base_folder_ = fs::absolute(resolve_generation(options.snapshot)).lexically_normal();
  if (!base_folder_.has_filename())
    base_folder_ = base_folder_.parent_path();  // a slash at the end
  name_ = base_folder_.parent_path();
  lock_.emplace(name_);
  current_ = current_of(name_);
  report.before = load_manifest(base_folder_);
  if (report.before.generation != base_folder_.filename()) {
    throw base::UserError(
        base_folder_.string() + ": expected a generation in a folder of its name " +
        report.before.generation + "; move it back into the snapshot that it belongs to");
  }
}

std::vector<IndexSpec> Rewriting::indexes() const {
  std::vector<IndexSpec> specs;
  for (const std::string& text : base().indexes) specs.push_back(parse_index_spec(text));
  return specs;
}

std::string Rewriting::content_key() const {
  return base().content_key.empty() ? key_of("generation " + base().generation)
                                    : base().content_key;
}

std::int64_t Rewriting::next_id() {
  std::int64_t next = base().next_id;
  // Schema 1 counts passages; its ids may have holes all the same.
  for (const auto& shard : shards()) next = std::max(next, shard->ids().back() + 1);
  return next;
}

const std::vector<std::unique_ptr<MappedShard>>& Rewriting::shards() {
  const std::int64_t total = std::ssize(base().shards);
  for (std::int64_t shard = std::ssize(shards_); shard < total; ++shard) {
    tell("checking", shard, total, "shards");
    shards_.push_back(
        map_checked_shard(base(), base().shards[static_cast<std::size_t>(shard)], base_folder_));
    shards_.back()->release_pages();
    if (shard + 1 == total) tell("checking", total, total, "shards");
  }
  return shards_;
}

void Rewriting::for_each_row(
    const std::function<void(const MappedShard&, std::int64_t row)>& visit) {
  using Head = std::pair<std::int64_t, std::size_t>;  // the next id of a shard
  std::priority_queue<Head, std::vector<Head>, std::greater<>> heads;
  std::vector<std::int64_t> rows(shards().size(), 0);
  for (std::size_t shard = 0; shard < shards_.size(); ++shard) {
    heads.emplace(shards_[shard]->ids().front(), shard);
  }
  std::int64_t unreleased = 0;
  const std::int64_t row_bytes = 64 + std::int64_t{4} * base().dimension;
  while (!heads.empty()) {
    const std::size_t at = heads.top().second;
    heads.pop();
    const MappedShard& shard = *shards_[at];
    visit(shard, rows[at]);
    if (++rows[at] < shard.count()) {
      heads.emplace(shard.ids()[static_cast<std::size_t>(rows[at])], at);
    }
    unreleased += row_bytes;
    if (unreleased < kReleaseBytes) continue;
    for (const auto& mapped : shards_) mapped->release_pages();
    unreleased = 0;
  }
}

void Rewriting::tell(const std::string& stage, std::int64_t done, std::int64_t total,
                     const std::string& unit) const {
  if (!options_.progress) return;
  if (done % kProgressRows != 0 && done != total && unit != "shards") return;
  options_.progress({stage, done, total, unit});
}

SnapshotWriterOptions Rewriting::layout(std::int32_t shards) const {
  SnapshotWriterOptions layout;
  layout.shards = shards;
  layout.vectors = base().vectors;
  layout.values = base().values;
  layout.indexes = indexes();
  layout.threads = options_.threads;
  if (options_.progress) {
    layout.index_progress = [tell = options_.progress](const IndexSpec& spec, std::int64_t done,
                                                       std::int64_t total) {
      tell({"building " + to_string(spec.kind), done, total, "rows"});
    };
  }
  return layout;
}

void Rewriting::check_current() const {
  if (current_of(name_) == current_) return;
  throw base::UserError((name_ / "CURRENT").string() +
                        ": was moved by another process meanwhile; run the command again");
}

RewriteReport Rewriting::finish(const std::string& build_key,
                                const std::function<Manifest(const fs::path& work)>& write) {
  const ResumableFolder work(name_, build_key);
  if (std::optional<Manifest> sound = find_sound_generation(name_, build_key)) {
    report.manifest = std::move(*sound);
    report.reused = true;
    point_current(name_, report.manifest.generation);
  } else {
    report.manifest = write(work.path());
  }
  work.remove();
  return end();
}

RewriteReport Rewriting::keep_base() {
  (void)shards();  // sound, or an error
  report.manifest = base();
  report.reused = true;
  point_current(name_, base().generation);
  return end();
}

RewriteReport Rewriting::end() {
  report.folder = name_ / report.manifest.generation;
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count();
  return std::move(report);
}

}  // namespace rookery::index_tools::detail
