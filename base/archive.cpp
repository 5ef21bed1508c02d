#include "base/archive.hpp"

#include "base/atomic_file.hpp"
#include "base/error.hpp"

#include <zip.h>

#include <algorithm>
#include <system_error>

namespace rookery::base {

namespace fs = std::filesystem;

namespace {

bool matches(const std::string& name, std::string_view suffix) {
  if (!name.ends_with(suffix)) return false;
  return name.size() == suffix.size() || name[name.size() - suffix.size() - 1] == '/';
}

/// The shortest match; among equally long ones the first by name. Null when there is none.
const std::string* shortest_match(const std::vector<std::string>& names, std::string_view suffix) {
  const std::string* best = nullptr;
  for (const auto& name : names) {
    if (matches(name, suffix) && (best == nullptr || name.size() < best->size())) best = &name;
  }
  return best;
}

class FolderArchive final : public Archive {
 public:
  explicit FolderArchive(const fs::path& path) : Archive(path) {
    try {
      for (const auto& entry : fs::recursive_directory_iterator(path)) {
        if (entry.is_regular_file()) {
          names_.push_back(entry.path().lexically_relative(path).generic_string());
        }
      }
    } catch (const fs::filesystem_error& error) {
      throw UserError(path.string() + ": the folder cannot be read: " + error.code().message());
    }
    std::sort(names_.begin(), names_.end());
  }
  [[nodiscard]] const std::vector<std::string>& names() const override { return names_; }
  [[nodiscard]] std::string read(const std::string& name) const override {
    if (!std::binary_search(names_.begin(), names_.end(), name)) {
      throw UserError(path().string() + ": has no file '" + name + "'");
    }
    return read_file(path() / name);
  }

 private:
  std::vector<std::string> names_;
};

class ZipArchive final : public Archive {
 public:
  explicit ZipArchive(const fs::path& path) : Archive(path) {
    int code = 0;
    zip_.reset(zip_open(path.c_str(), ZIP_RDONLY, &code));
    if (!zip_) {
      zip_error_t error;
      zip_error_init_with_code(&error, code);
      const std::string reason = zip_error_strerror(&error);
      zip_error_fini(&error);
      throw UserError(path.string() + ": cannot be opened as a zip archive: " + reason);
    }
    const auto count = zip_get_num_entries(zip_.get(), 0);
    names_.reserve(static_cast<std::size_t>(count));
    for (zip_int64_t i = 0; i < count; ++i) {
      const char* name = zip_get_name(zip_.get(), static_cast<zip_uint64_t>(i), 0);
      if (name == nullptr) throw UserError(path.string() + ": the archive's directory is damaged");
      if (!std::string_view(name).ends_with('/')) names_.emplace_back(name);
    }
    std::sort(names_.begin(), names_.end());
  }
  [[nodiscard]] const std::vector<std::string>& names() const override { return names_; }
  [[nodiscard]] std::string read(const std::string& name) const override;

 private:
  struct Discard {
    void operator()(zip_t* zip) const { zip_discard(zip); }
    void operator()(zip_file_t* file) const { zip_fclose(file); }
  };
  [[noreturn]] void fail(const std::string& name, const std::string& reason) const {
    throw UserError(path().string() + ": " + name + " cannot be read: " + reason);
  }
  std::unique_ptr<zip_t, Discard> zip_;
  std::vector<std::string> names_;
};

std::string ZipArchive::read(const std::string& name) const {
  zip_stat_t info;
  zip_stat_init(&info);
  if (zip_stat(zip_.get(), name.c_str(), 0, &info) != 0) {
    throw UserError(path().string() + ": has no member '" + name + "'");
  }
  // Deflate cannot shrink by more than 1032 to 1: a larger size is a lie that would cost memory.
  if (info.size > info.comp_size * 1032 + 65536) fail(name, "its stated size is impossible");
  const std::unique_ptr<zip_file_t, Discard> file(zip_fopen_index(zip_.get(), info.index, 0));
  if (!file) fail(name, zip_strerror(zip_.get()));
  std::string content(static_cast<std::size_t>(info.size), '\0');
  std::size_t filled = 0;
  while (filled < content.size()) {
    const auto got = zip_fread(file.get(), content.data() + filled, content.size() - filled);
    if (got < 0) fail(name, zip_file_strerror(file.get()));
    if (got == 0) fail(name, "it ends early");
    filled += static_cast<std::size_t>(got);
  }
  // libzip judges the CRC-32 when it meets the end.
  char behind = 0;
  const auto rest = zip_fread(file.get(), &behind, 1);
  if (rest < 0) fail(name, zip_file_strerror(file.get()));
  if (rest > 0) fail(name, "it is longer than stated");
  return content;
}

}  // namespace

std::unique_ptr<Archive> Archive::open(const fs::path& path) {
  std::error_code code;
  const auto status = fs::status(path, code);
  if (status.type() == fs::file_type::not_found) {
    throw UserError(path.string() + ": no such file or folder");
  }
  if (status.type() == fs::file_type::none) throw UserError(path.string() + ": " + code.message());
  if (status.type() == fs::file_type::directory) return std::make_unique<FolderArchive>(path);
  return std::make_unique<ZipArchive>(path);
}

std::string Archive::find(std::string_view suffix) const {
  const auto* name = shortest_match(names(), suffix);
  if (name == nullptr) {
    throw UserError(path_.string() + ": expected a file '" + std::string(suffix) + "' in it, got " +
                    std::to_string(names().size()) + " files without it");
  }
  return *name;
}

bool Archive::contains(std::string_view suffix) const {
  return shortest_match(names(), suffix) != nullptr;
}

}  // namespace rookery::base
