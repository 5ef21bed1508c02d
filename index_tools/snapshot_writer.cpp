#include "index_tools/snapshot_writer.hpp"

#include "base/atomic_file.hpp"
#include "base/checksum.hpp"
#include "base/error.hpp"
#include "index_tools/detail/generation_file.hpp"
#include "index_tools/detail/passage_store.hpp"

#include <fcntl.h>
#include <stdio.h>

#include <cerrno>
#include <cmath>
#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>

namespace rookery::index_tools {
namespace fs = std::filesystem;
namespace {

constexpr std::int32_t kShardsMax = 1024;
constexpr std::size_t kGenerationDigits = 12;

void make_folder(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) throw base::UserError(folder.string() + ": cannot be made: " + error.message());
}

[[noreturn]] void fail_rename(const fs::path& from, const fs::path& to) {
  throw base::UserError(from.string() + ": cannot be renamed to " + to.string() + ": " +
                        std::strerror(errno));
}

/// The three files of one shard while rows come in.
struct ShardWriter {
  ShardWriter(const fs::path& work, std::int32_t shard)
      : folder("shard-" + std::to_string(shard)),
        ids((make_folder(work / folder), work), folder + "/ids"),
        passages(work, folder + "/passages"),
        vectors(work, folder + "/vectors") {}

  std::string folder;
  detail::GenerationFile ids;
  detail::PassageStoreWriter passages;
  detail::GenerationFile vectors;
  std::int64_t count = 0;
};

}  // namespace

struct SnapshotWriter::Impl {
  void publish();

  fs::path name, work;
  Manifest manifest;
  std::vector<std::unique_ptr<ShardWriter>> shards;
  std::int64_t last_id = -1;
  std::int64_t row = 0;
  bool committed = false;
};

SnapshotWriter::SnapshotWriter(fs::path name, fs::path work, Manifest facts, std::int32_t shards)
    : impl_(std::make_unique<Impl>()) {
  if (shards < 1 || shards > kShardsMax) {
    throw base::UserError("shards: expected a number in [1, " + std::to_string(kShardsMax) +
                          "], got " + std::to_string(shards));
  }
  if (facts.dimension < 1 || facts.dimension != facts.encoder.dimension) {
    throw std::invalid_argument("SnapshotWriter: expected the encoder's dimension, got " +
                                std::to_string(facts.dimension));
  }
  impl_->name = std::move(name);
  impl_->work = std::move(work);
  impl_->manifest = std::move(facts);
  std::error_code ignored;
  fs::remove_all(impl_->work, ignored);
  make_folder(impl_->name);
  make_folder(impl_->work);
  for (std::int32_t shard = 0; shard < shards; ++shard) {
    impl_->shards.push_back(std::make_unique<ShardWriter>(impl_->work, shard));
  }
}

SnapshotWriter::~SnapshotWriter() {
  if (impl_->committed) return;
  impl_->shards.clear();
  std::error_code ignored;
  fs::remove_all(impl_->work, ignored);
}

void SnapshotWriter::add(const PassageView& passage, std::span<const float> vector) {
  if (vector.size() != static_cast<std::size_t>(impl_->manifest.dimension)) {
    throw std::invalid_argument("SnapshotWriter::add: expected a vector of " +
                                std::to_string(impl_->manifest.dimension) + " floats, got " +
                                std::to_string(vector.size()));
  }
  if (passage.id <= impl_->last_id) {
    throw std::invalid_argument("SnapshotWriter::add: expected an id above " +
                                std::to_string(impl_->last_id) + ", got " +
                                std::to_string(passage.id));
  }
  for (std::size_t element = 0; element < vector.size(); ++element) {
    if (std::isfinite(vector[element])) continue;
    throw base::UserError("row " + std::to_string(impl_->row) + " (passage " +
                          std::to_string(passage.id) + ", source " +
                          std::string(passage.source_id) + "): element " + std::to_string(element) +
                          " of its vector: expected a finite number, got " +
                          (std::isnan(vector[element]) ? "NaN" : "infinity") +
                          "; the encoder is damaged or overflows on this text");
  }
  const auto count = static_cast<std::int64_t>(impl_->shards.size());
  ShardWriter& shard = *impl_->shards[static_cast<std::size_t>(passage.id % count)];
  shard.ids.write(std::as_bytes(std::span(&passage.id, 1)));
  shard.passages.add(passage);
  shard.vectors.write(std::as_bytes(vector));
  ++shard.count;
  impl_->last_id = passage.id;
  ++impl_->row;
}

Manifest SnapshotWriter::commit() {
  Manifest& manifest = impl_->manifest;
  manifest.passages = impl_->row;
  manifest.shards.clear();
  std::string proof = manifest.build_key + "\n" + manifest.encoder.model_hash + "\n";
  for (std::size_t index = 0; index < impl_->shards.size(); ++index) {
    ShardWriter& shard = *impl_->shards[index];
    if (shard.count == 0) {
      throw base::UserError("shards: expected at most one for each of the " +
                            std::to_string(impl_->row) + " passages, got " +
                            std::to_string(impl_->shards.size()));
    }
    ShardEntry entry{static_cast<std::int32_t>(index), shard.count, {}};
    entry.files.push_back(shard.ids.finish());
    entry.files.push_back(shard.passages.finish());
    entry.files.push_back(shard.vectors.finish());
    for (const FileEntry& file : entry.files) proof += file.path + " " + file.sha256 + "\n";
    manifest.shards.push_back(std::move(entry));
    base::sync_folder(impl_->work / shard.folder);
  }
  manifest.generation =
      base::sha256_hex(std::as_bytes(std::span(proof))).substr(0, kGenerationDigits);
  base::write_file_atomically(impl_->work / "manifest.json", manifest.to_json());
  base::sync_folder(impl_->work);
  impl_->publish();
  impl_->committed = true;
  return manifest;
}

void SnapshotWriter::Impl::publish() {
  const fs::path target = name / manifest.generation;
  if (::rename(work.c_str(), target.c_str()) != 0) {
    if (errno != EEXIST && errno != ENOTEMPTY) fail_rename(work, target);
    // Exchanged in one step, so that readers find the old folder or the new one, never none.
    if (::renameat2(AT_FDCWD, work.c_str(), AT_FDCWD, target.c_str(), RENAME_EXCHANGE) != 0) {
      fail_rename(work, target);
    }
    std::error_code ignored;
    fs::remove_all(work, ignored);
  }
  base::sync_folder(name);
  base::write_file_atomically(name / "CURRENT", manifest.generation + "\n");
}

}  // namespace rookery::index_tools
