#include "index_tools/detail/publish.hpp"

#include "base/atomic_file.hpp"
#include "base/checksum.hpp"
#include "base/error.hpp"
#include "index_tools/snapshot.hpp"

#include <fcntl.h>
#include <stdio.h>

#include <cerrno>
#include <cstring>

namespace rookery::index_tools::detail {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t kGenerationDigits = 12;

[[noreturn]] void fail_rename(const fs::path& from, const fs::path& to) {
  throw base::UserError(from.string() + ": cannot be renamed to " + to.string() + ": " +
                        std::strerror(errno));
}

std::string generation_name(const Manifest& manifest) {
  std::string proof = manifest.build_key + "\n" + manifest.encoder.model_hash + "\n";
  for (const ShardEntry& shard : manifest.shards) {
    for (const FileEntry& file : shard.files) proof += file.path + " " + file.sha256 + "\n";
  }
  return base::sha256_hex(std::as_bytes(std::span(proof))).substr(0, kGenerationDigits);
}

}  // namespace

void publish_generation(const fs::path& name, const fs::path& work, Manifest& manifest) {
  manifest.generation = generation_name(manifest);
  for (const ShardEntry& shard : manifest.shards) {
    base::sync_folder(work / ("shard-" + std::to_string(shard.shard)));
  }
  base::write_file_atomically(work / "manifest.json", manifest.to_json());
  base::sync_folder(work);
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
  point_current(name, manifest.generation);
}

void point_current(const fs::path& name, const std::string& generation) {
  base::write_file_atomically(name / "CURRENT", generation + "\n");
}

std::optional<Manifest> find_sound_generation(const fs::path& name, const std::string& build_key) {
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(name, error)) {
    const std::string folder = entry.path().filename().string();
    if (folder.starts_with('.') || !fs::exists(entry.path() / "manifest.json", error)) continue;
    try {
      Manifest manifest = load_manifest(entry.path());
      std::int64_t sound_blocks = 0;
      if (manifest.build_key == build_key && manifest.generation == folder &&
          verify_snapshot(entry.path(), std::nullopt, sound_blocks).empty()) {
        return manifest;
      }
    } catch (const base::UserError&) {
      // A damaged manifest: that generation cannot be used, and is none of this build's business.
    }
  }
  return std::nullopt;
}

std::string layout_key(const Manifest& manifest, std::size_t shards) {
  std::string facts = "rookery layout 2\ncontent " + manifest.content_key + "\nshards " +
                      std::to_string(shards) + "\n";
  for (const std::string& index : manifest.indexes) facts += "index " + index + "\n";
  return base::sha256_hex(std::as_bytes(std::span(facts)));
}

}  // namespace rookery::index_tools::detail
