#include "index_tools/detail/work_folder.hpp"

#include "base/error.hpp"

namespace rookery::index_tools::detail {
namespace fs = std::filesystem;
namespace {

fs::path made(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) throw base::UserError(folder.string() + ": cannot be made: " + error.message());
  return folder;
}

}  // namespace

WorkFolder::WorkFolder(const fs::path& folder) : path_(made(folder)), lock_(folder / "lock") {}

WorkFolder::~WorkFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

}  // namespace rookery::index_tools::detail
