#include "index_tools/detail/resumable_folder.hpp"

#include "base/error.hpp"

#include <system_error>

namespace rookery::index_tools::detail {
namespace fs = std::filesystem;
namespace {

fs::path make_folder(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) throw base::UserError(folder.string() + ": cannot be made: " + error.message());
  return folder;
}

}  // namespace

ResumableFolder::ResumableFolder(const fs::path& name, const std::string& build_key)
    : path_(make_folder(name / (".building-" + build_key.substr(0, 16)))), lock_(path_ / "lock") {}

ResumableFolder::~ResumableFolder() {
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(path_, error)) {
    if (entry.path().filename() != "lock") return;
  }
  remove();
}

void ResumableFolder::remove() const {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

}  // namespace rookery::index_tools::detail
