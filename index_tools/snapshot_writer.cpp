#include "index_tools/snapshot_writer.hpp"

#include "base/checksum.hpp"
#include "base/error.hpp"
#include "index_tools/detail/generation_file.hpp"
#include "index_tools/detail/index_builder.hpp"
#include "index_tools/detail/passage_store.hpp"
#include "index_tools/detail/publish.hpp"
#include "index_tools/index_files.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace rookery::index_tools {
namespace fs = std::filesystem;
namespace {

constexpr std::int32_t kShardsMax = 1024;

void make_folder(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) throw base::UserError(folder.string() + ": cannot be made: " + error.message());
}

/// The files of one shard while rows come in.
struct ShardWriter {
  ShardWriter(const fs::path& work, std::int32_t shard, const SnapshotWriterOptions& options)
      : folder("shard-" + std::to_string(shard)),
        ids((make_folder(work / folder), work), folder + "/ids"),
        passages(work, folder + "/passages") {
    if (options.vectors != VectorType::kNone) vectors.emplace(work, folder + "/vectors");
    if (options.values) values.emplace(work, folder + "/values");
  }
  ShardEntry finish(std::int32_t shard) {
    ShardEntry entry{shard, count, {}};
    entry.files.push_back(ids.finish());
    entry.files.push_back(passages.finish());
    if (vectors) entry.files.push_back(vectors->finish());
    if (values) entry.files.push_back(values->finish());
    return entry;
  }

  std::string folder;
  detail::GenerationFile ids;
  detail::PassageStoreWriter passages;
  std::optional<detail::GenerationFile> vectors, values;
  std::int64_t count = 0;
};

/// "row 7 (passage 9, source s4)".
std::string name_of(std::int64_t row, const PassageView& passage) {
  return "row " + std::to_string(row) + " (passage " + std::to_string(passage.id) + ", source " +
         std::string(passage.source_id) + ")";
}

std::string shown(float number) {
  if (std::isnan(number)) return "NaN";
  return std::isinf(number) ? "infinity" : std::to_string(number);
}

}  // namespace

struct SnapshotWriter::Impl {
  void check(const Manifest& facts) const;
  /// The row's vector as it is stored: scaled in `scaled` or rounded in `halves` where it must be.
  std::span<const std::byte> stored(const PassageView& passage, std::span<const float> vector);
  ShardWriter& begin_row(const PassageView& passage, bool has_value);

  fs::path name, work;
  SnapshotWriterOptions options;
  Manifest manifest;
  std::vector<std::unique_ptr<ShardWriter>> shards;
  std::vector<float> scaled;
  std::vector<std::uint16_t> halves;
  std::int64_t last_id = -1;
  std::int64_t row = 0;
  bool committed = false;
};

void SnapshotWriter::Impl::check(const Manifest& facts) const {
  if (options.shards < 1 || options.shards > kShardsMax) {
    throw base::UserError("shards: expected a number in [1, " + std::to_string(kShardsMax) +
                          "], got " + std::to_string(options.shards));
  }
  const bool has_vectors = options.vectors != VectorType::kNone;
  if ((facts.dimension < 1) == has_vectors || facts.dimension < 0 ||
      (facts.has_encoder() && facts.dimension != facts.encoder.dimension)) {
    throw std::invalid_argument("SnapshotWriter: expected the encoder's dimension, got " +
                                std::to_string(facts.dimension));
  }
  const std::vector<std::string>& metrics = metric_names();
  if (std::find(metrics.begin(), metrics.end(), facts.metric) == metrics.end()) {
    throw base::UserError("metric: expected inner_product, l2 or cosine, got '" + facts.metric +
                          "'");
  }
}

SnapshotWriter::SnapshotWriter(fs::path name, fs::path work, Manifest facts,
                               SnapshotWriterOptions options)
    : impl_(std::make_unique<Impl>()) {
  impl_->options = std::move(options);
  impl_->check(facts);
  std::vector<IndexSpec>& indexes = impl_->options.indexes;
  indexes = resolve_index_specs(indexes);
  detail::check_specs_fit(indexes, impl_->options.vectors, facts.dimension);
  impl_->name = std::move(name);
  impl_->work = std::move(work);
  facts.schema = kManifestSchema;
  facts.vectors = impl_->options.vectors;
  facts.values = impl_->options.values;
  facts.indexes.clear();
  for (const IndexSpec& spec : indexes) facts.indexes.push_back(to_string(spec));
  if (facts.content_key.empty()) {
    const std::string key = "rows of " + facts.build_key;
    facts.content_key = base::sha256_hex(std::as_bytes(std::span(key)));
  }
  const auto shards = static_cast<std::size_t>(impl_->options.shards);
  facts.build_key = detail::layout_key(facts, shards);
  impl_->manifest = std::move(facts);
  std::error_code ignored;
  fs::remove_all(impl_->work, ignored);
  make_folder(impl_->name);
  make_folder(impl_->work);
  for (std::int32_t shard = 0; shard < impl_->options.shards; ++shard) {
    impl_->shards.push_back(std::make_unique<ShardWriter>(impl_->work, shard, impl_->options));
  }
}

SnapshotWriter::~SnapshotWriter() {
  if (impl_->committed) return;
  impl_->shards.clear();
  std::error_code ignored;
  fs::remove_all(impl_->work, ignored);
}

void SnapshotWriter::set_content_key(std::string key) {
  impl_->manifest.content_key = std::move(key);
  impl_->manifest.build_key = detail::layout_key(impl_->manifest, impl_->shards.size());
}

const std::string& SnapshotWriter::build_key() const { return impl_->manifest.build_key; }

std::span<const std::byte> SnapshotWriter::Impl::stored(const PassageView& passage,
                                                        std::span<const float> vector) {
  for (std::size_t element = 0; element < vector.size(); ++element) {
    if (std::isfinite(vector[element])) continue;
    throw base::UserError(name_of(row, passage) + ": element " + std::to_string(element) +
                          " of its vector: expected a finite number, got " +
                          shown(vector[element]) +
                          "; the encoder is damaged or overflows on this text");
  }
  if (manifest.metric == "cosine") {
    scaled.assign(vector.begin(), vector.end());
    if (normalise_rows(scaled, manifest.dimension) >= 0) {
      throw base::UserError(name_of(row, passage) +
                            ": its vector: expected a direction for metric cosine, got zeros only");
    }
    vector = scaled;
  }
  if (options.vectors != VectorType::kFloat16) return std::as_bytes(vector);
  halves.resize(vector.size());
  constexpr std::uint16_t kHalfInfinity = 0x7C00;
  for (std::size_t element = 0; element < vector.size(); ++element) {
    halves[element] = to_half(vector[element]);
    if ((halves[element] & 0x7FFF) != kHalfInfinity) continue;
    throw base::UserError(name_of(row, passage) + ": element " + std::to_string(element) +
                          " of its vector: expected at most 65504 for float16, got " +
                          shown(vector[element]) + "; keep the vectors as float32");
  }
  return std::as_bytes(std::span(std::as_const(halves)));
}

ShardWriter& SnapshotWriter::Impl::begin_row(const PassageView& passage, bool has_value) {
  if (passage.id <= last_id || passage.id == std::numeric_limits<std::int64_t>::max()) {
    throw std::invalid_argument("SnapshotWriter::add: expected an id above " +
                                std::to_string(last_id) + ", got " + std::to_string(passage.id));
  }
  if (has_value != options.values) {
    throw std::invalid_argument(std::string("SnapshotWriter::add: expected ") +
                                (options.values ? "a value" : "no value") + " for passage " +
                                std::to_string(passage.id));
  }
  return *shards[static_cast<std::size_t>(passage.id % std::ssize(shards))];
}

void SnapshotWriter::add(const PassageView& passage, std::span<const float> vector,
                         std::optional<std::int32_t> value) {
  if (vector.size() != static_cast<std::size_t>(impl_->manifest.dimension)) {
    throw std::invalid_argument("SnapshotWriter::add: expected a vector of " +
                                std::to_string(impl_->manifest.dimension) + " floats, got " +
                                std::to_string(vector.size()));
  }
  ShardWriter& shard = impl_->begin_row(passage, value.has_value());
  const std::span<const std::byte> bytes = impl_->stored(passage, vector);
  shard.ids.write(std::as_bytes(std::span(&passage.id, 1)));
  shard.passages.add(passage);
  if (shard.vectors) shard.vectors->write(bytes);
  if (value) shard.values->write(std::as_bytes(std::span(&*value, 1)));
  ++shard.count;
  impl_->last_id = passage.id;
  ++impl_->row;
}

void SnapshotWriter::copy(const SnapshotShard& from, std::int64_t row) {
  if (from.dimension() != impl_->manifest.dimension ||
      from.vector_type() != impl_->options.vectors) {
    throw std::invalid_argument(
        "SnapshotWriter::copy: expected vectors of " + std::to_string(impl_->manifest.dimension) +
        " " + to_string(impl_->options.vectors) + ", got " + std::to_string(from.dimension()) +
        " " + to_string(from.vector_type()));
  }
  const PassageView passage = from.passage(row);
  ShardWriter& shard = impl_->begin_row(passage, !from.values().empty());
  const auto width = static_cast<std::size_t>(from.dimension());
  const std::size_t begin = static_cast<std::size_t>(row) * width;
  shard.ids.write(std::as_bytes(std::span(&passage.id, 1)));
  shard.passages.add(passage);
  if (from.vector_type() == VectorType::kFloat32) {
    shard.vectors->write(std::as_bytes(from.vectors().subspan(begin, width)));
  } else if (from.vector_type() == VectorType::kFloat16) {
    shard.vectors->write(std::as_bytes(from.half_vectors().subspan(begin, width)));
  }
  if (shard.values) {
    shard.values->write(std::as_bytes(from.values().subspan(static_cast<std::size_t>(row), 1)));
  }
  ++shard.count;
  impl_->last_id = passage.id;
  ++impl_->row;
}

Manifest SnapshotWriter::commit() {
  Manifest& manifest = impl_->manifest;
  manifest.passages = impl_->row;
  manifest.next_id = std::max(manifest.next_id, impl_->last_id + 1);
  manifest.next_source = std::max(manifest.next_source, manifest.sources);
  manifest.shards.clear();
  const std::size_t shards = impl_->shards.size();
  for (std::size_t shard = 0; shard < shards; ++shard) {
    if (impl_->shards[shard]->count > 0) continue;
    throw base::UserError(
        impl_->row < std::ssize(impl_->shards)
            ? "shards: expected at most one for each of the " + std::to_string(impl_->row) +
                  " passages, got " + std::to_string(shards)
            : "shards: expected passages in each of the " + std::to_string(shards) +
                  ", got none for shard " + std::to_string(shard) +
                  " (passage id % shards); use fewer shards");
  }
  for (std::size_t shard = 0; shard < shards; ++shard) {
    manifest.shards.push_back(impl_->shards[shard]->finish(static_cast<std::int32_t>(shard)));
  }
  detail::build_indexes(impl_->work, manifest, impl_->options.indexes, impl_->options.threads,
                        impl_->options.index_progress);
  detail::publish_generation(impl_->name, impl_->work, manifest);
  impl_->committed = true;
  return manifest;
}

}  // namespace rookery::index_tools
