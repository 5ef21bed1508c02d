#include "index_tools/datastore.hpp"

#include "base/checksum.hpp"
#include "base/error.hpp"
#include "index_tools/detail/work_folder.hpp"
#include "index_tools/npy_file.hpp"
#include "index_tools/snapshot_writer.hpp"
#include "index_tools/vector_source.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string_view>

namespace rookery::index_tools {
namespace fs = std::filesystem;
namespace {

constexpr std::int32_t kDimensionMax = 65'536;
constexpr std::int64_t kBlockRows = 1024;  ///< read and added at a time

Manifest facts_of(const DatastoreOptions& options) {
  if (options.dimension < 1 || options.dimension > kDimensionMax) {
    throw base::UserError("dimension: expected a number in [1, 65536], got " +
                          std::to_string(options.dimension));
  }
  if (options.vector_type == VectorType::kNone) {
    throw base::UserError("vector type: expected float32 or float16 for keys, got none");
  }
  Manifest facts;
  facts.metric = "l2";
  facts.dimension = options.dimension;
  facts.corpus = options.corpus_name;
  facts.encoder = options.encoder;
  if (facts.encoder.dimension != 0 && facts.encoder.dimension != options.dimension) {
    throw base::UserError("encoder: expected one of the keys' dimension " +
                          std::to_string(options.dimension) + ", got " + facts.encoder.name +
                          " with " + std::to_string(facts.encoder.dimension));
  }
  facts.encoder.dimension = options.dimension;
  facts.passage_words = 0;
  return facts;
}

/// Values of several files as one column.
class ValueParts {
 public:
  explicit ValueParts(const std::vector<fs::path>& files) {
    for (const fs::path& path : files) {
      parts_.emplace_back(path);
      if (parts_.back().holds_floats() || parts_.back().columns() != 1) {
        throw base::UserError(path.string() + ": expected one column of integers (<i4 or <i8), " +
                              "got " + std::to_string(parts_.back().columns()) + " of " +
                              to_string(parts_.back().type()));
      }
      count_ += parts_.back().rows();
    }
  }
  [[nodiscard]] std::int64_t count() const { return count_; }
  /// One after the other.
  std::int32_t next() {
    while (row_ == parts_[part_].rows()) {
      ++part_;
      row_ = 0;
    }
    const std::int64_t value = parts_[part_].integer(row_);
    if (value != static_cast<std::int32_t>(value)) {
      throw base::UserError(parts_[part_].path().string() + ": row " + std::to_string(row_) +
                            ": expected a value that 32 bits hold, got " + std::to_string(value));
    }
    ++row_;
    return static_cast<std::int32_t>(value);
  }

 private:
  std::vector<NpyFile> parts_;
  std::int64_t count_ = 0, row_ = 0;
  std::size_t part_ = 0;
};

void check_files(const VectorSource& keys, const ValueParts& values, const DatastoreFiles& files) {
  if (values.count() != keys.count()) {
    throw base::UserError(
        (files.values.empty() ? fs::path("values") : files.values.front()).string() +
        ": expected a value for each of the " + std::to_string(keys.count()) + " keys, got " +
        std::to_string(values.count()));
  }
  if (!keys.metric().empty() && keys.metric() != "l2") {
    throw base::UserError(keys.where(0) + ": expected the metric l2, got " + keys.metric());
  }
  if (!keys.loss().empty() && !files.allow_lossy) {
    throw base::UserError(keys.where(0) + ": expected the keys themselves, got " + keys.loss() +
                          "; --allow-lossy takes what the codes decode to");
  }
}

}  // namespace

struct DatastoreWriter::Impl {
  explicit Impl(const DatastoreOptions& options)
      : facts(facts_of(options)),
        work(options.out / ".building-datastore"),
        writer(options.out, work.path() / "generation", facts,
               {.shards = options.shards,
                .vectors = options.vector_type,
                .values = true,
                .indexes = options.indexes,
                .threads = options.threads}) {
    constexpr std::string_view kKind = "rookery datastore 1\n";
    content.update(std::as_bytes(std::span(kKind)));
  }

  Manifest facts;
  detail::WorkFolder work;
  SnapshotWriter writer;
  base::Sha256 content;
  std::int64_t count = 0;
};

DatastoreWriter::DatastoreWriter(const DatastoreOptions& options)
    : impl_(std::make_unique<Impl>(options)) {}

DatastoreWriter::~DatastoreWriter() = default;

std::int64_t DatastoreWriter::count() const { return impl_->count; }

void DatastoreWriter::add(std::span<const float> keys, std::span<const std::int32_t> values) {
  const auto width = static_cast<std::size_t>(impl_->facts.dimension);
  if (keys.size() != values.size() * width) {
    throw std::invalid_argument("DatastoreWriter::add: expected keys of [" +
                                std::to_string(values.size()) + ", " + std::to_string(width) +
                                "], got " + std::to_string(keys.size()) + " floats");
  }
  for (std::size_t row = 0; row < values.size(); ++row) {
    const std::span<const float> key = keys.subspan(row * width, width);
    impl_->writer.add({impl_->count, {}, {}, {}}, key, values[row]);
    impl_->content.update(std::as_bytes(key));
    impl_->content.update(std::as_bytes(values.subspan(row, 1)));
    ++impl_->count;
  }
}

Manifest DatastoreWriter::commit() {
  impl_->writer.set_content_key(impl_->content.hex_digest());
  return impl_->writer.commit();
}

Manifest build_datastore(const DatastoreFiles& files, const DatastoreOptions& options,
                         const std::function<void(std::int64_t, std::int64_t)>& progress) {
  const std::unique_ptr<VectorSource> keys = open_vector_source(files.keys);
  ValueParts values(files.values);
  check_files(*keys, values, files);
  DatastoreOptions resolved = options;
  if (resolved.dimension == 0) resolved.dimension = keys->dimension();
  if (resolved.dimension != keys->dimension()) {
    throw base::UserError(keys->where(0) + ": expected keys of dimension " +
                          std::to_string(resolved.dimension) + ", got " +
                          std::to_string(keys->dimension()));
  }
  if (resolved.corpus_name.empty()) resolved.corpus_name = files.keys.front().filename().string();
  if (resolved.shards > keys->count()) {
    throw base::UserError("shards: expected at most one for each of the " +
                          std::to_string(keys->count()) + " entries, got " +
                          std::to_string(resolved.shards));
  }
  DatastoreWriter writer(resolved);
  const auto width = static_cast<std::size_t>(keys->dimension());
  std::vector<float> block;
  std::vector<std::int32_t> block_values;
  for (std::int64_t begin = 0; begin < keys->count(); begin += kBlockRows) {
    if (progress) progress(begin, keys->count());
    const std::int64_t rows = std::min(kBlockRows, keys->count() - begin);
    block.resize(static_cast<std::size_t>(rows) * width);
    block_values.clear();
    for (std::int64_t row = 0; row < rows; ++row) {
      const auto key = std::span(block).subspan(static_cast<std::size_t>(row) * width, width);
      if (!keys->copy_row(begin + row, key) && !files.allow_lossy) {
        throw base::UserError(keys->where(begin + row) + ": expected numbers that a float can " +
                              "hold, got doubles between them; --allow-lossy rounds them");
      }
      if (!std::all_of(key.begin(), key.end(), [](float x) { return std::isfinite(x); })) {
        throw base::UserError(keys->where(begin + row) +
                              ": expected finite numbers, got NaN or infinity");
      }
      block_values.push_back(values.next());
    }
    writer.add(block, block_values);
  }
  Manifest manifest = writer.commit();
  if (progress) progress(keys->count(), keys->count());
  return manifest;
}

}  // namespace rookery::index_tools
